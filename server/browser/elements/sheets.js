// @ts-check
/**
 * Style sheets that an element brings into the document, or the shadow tree, in which it stands.
 *
 * They come before the page's own, so that of two rules that say as much the page's counts.
 */

/**
 * @param {Node} node
 * @param {string[]} sheets Addresses, each linked once.
 */
export function bringSheets(node, sheets) {
  const root = node.getRootNode();
  if (!(root instanceof Document || root instanceof ShadowRoot)) return;
  const holder = root instanceof Document ? root.head : root;
  const links = [...root.querySelectorAll("link")];
  let last = links.findLast((link) => link.dataset.headwater !== undefined);
  for (const href of sheets) {
    if (links.some((link) => link.href === href)) continue;
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.dataset.headwater = "";
    if (last) last.after(link);
    else holder.prepend(link);
    last = link;
  }
}
