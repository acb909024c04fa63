// The old application's client of Convex; here Convex is on the page's own origin.

import { ConvexReactClient } from "convex/react";

export const convex = new ConvexReactClient(location.origin, { unsavedChangesWarning: false });
