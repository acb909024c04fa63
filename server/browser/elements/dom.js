// @ts-check
/** Nodes, made in one line. Text only ever enters as text, never as markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Bring a text node up to date; text that only grew is only appended to.
 * @param {Text} node
 * @param {string} text
 */
export function growText(node, text) {
  if (text === node.data) return;
  if (text.startsWith(node.data)) node.appendData(text.slice(node.length));
  else node.data = text;
}

/**
 * @param {HTMLElement} holder
 * @param {string} text
 */
export function setText(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/**
 * A button that does its work once at a time. Meanwhile it keeps the focus, as one that is
 * disabled would not.
 * @param {string} label
 * @param {string} className
 * @param {() => Promise<void>} work
 */
export function actionButton(label, className, work) {
  const button = element("button", className, label);
  button.type = "button";
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      await work();
    } finally {
      button.ariaDisabled = null;
    }
  });
  return button;
}

/**
 * A drawing of lines, 16 by 16.
 * @param {string} path
 */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}
