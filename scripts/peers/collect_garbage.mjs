// Loaded into each server that runs on Node: SIGUSR2 collects its garbage, so that what its memory
// holds is what it needs. It wants --expose-gc.
process.on("SIGUSR2", () => globalThis.gc({ type: "major", execution: "sync", flavor: "last-resort" }));
