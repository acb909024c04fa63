// @ts-check
/** The door by which React comes in: one import for all modules, which a bundle pays for once. */

export {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
