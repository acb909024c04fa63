// @ts-check
// Shows openapi.json by Swagger UI, whose script came before this one.

/** @type {any} */
const { SwaggerUIBundle } = globalThis;

SwaggerUIBundle({
  dom_id: "#docs",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null, // it would send the document to somebody else's server
});
