// @ts-check
/**
 * How a function of the server is named: its wire name, or what `headwater codegen` makes of it.
 *
 * A reference is its wire name at run time. Its type carries the kind, the arguments and the
 * result, so that a call which does not fit does not compile. A plain string may be anything.
 */

/** @typedef {"query" | "mutation" | "action"} Kind */

/**
 * @template {Kind} K
 * @template A
 * @template R
 * @typedef {string & { readonly __kind: K, readonly __args: A, readonly __result: R }} FunctionReference
 */

/**
 * The arguments that `F` takes.
 * @template F
 * @typedef {F extends { readonly __args: infer A } ? A : Record<string, unknown>} ArgsOf
 */

/**
 * What `F` gives.
 * @template F
 * @typedef {F extends { readonly __result: infer R } ? R : any} ResultOf
 */

/**
 * `F`, unless it is a reference to a function of another kind.
 * @template F
 * @template {Kind} K
 * @typedef {F extends { readonly __kind: infer Of } ? (Of extends K ? F : never) : F} OfKind
 */

/**
 * What follows `F` in a call: its arguments, which may be left out where it needs none, and `More`.
 * @template F
 * @template {unknown[]} [More=[]]
 * @typedef {{} extends ArgsOf<F>
 *   ? [args?: ArgsOf<F>, ...Partial<More>] : [args: ArgsOf<F>, ...Partial<More>]} ArgsAnd
 */

export {};
