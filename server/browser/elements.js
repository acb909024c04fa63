// @ts-check
/**
 * Headwater's custom elements, as others import them: `import "headwater/elements"`.
 *
 * Importing this registers them. Each asks the default client unless it is given one, by its
 * property `client`, or an address, by its attribute `server`.
 */

import { HeadwaterActivity } from "./elements/activity.js";
import { HeadwaterAvatars } from "./elements/avatars.js";
import { HeadwaterComposer } from "./elements/composer.js";
import { HeadwaterConnection } from "./elements/connection.js";
import { HeadwaterConversation } from "./elements/conversation.js";
import { HeadwaterCursors } from "./elements/cursors.js";
import { HeadwaterFiles } from "./elements/files.js";
import { HeadwaterHealth } from "./elements/health.js";
import { HeadwaterPeople } from "./elements/people.js";
import { HeadwaterSelections } from "./elements/selections.js";
import { HeadwaterTasks } from "./elements/tasks.js";
import { HeadwaterTerminal } from "./elements/terminal.js";
import { HeadwaterToolLogs } from "./elements/tool_logs.js";
import { HeadwaterWorkspace } from "./elements/workspace.js";

export {
  HeadwaterActivity,
  HeadwaterAvatars,
  HeadwaterComposer,
  HeadwaterConnection,
  HeadwaterConversation,
  HeadwaterCursors,
  HeadwaterFiles,
  HeadwaterHealth,
  HeadwaterPeople,
  HeadwaterSelections,
  HeadwaterTasks,
  HeadwaterTerminal,
  HeadwaterToolLogs,
  HeadwaterWorkspace,
};

/** By their tags. A monitor comes after what it is made of. */
const elements = {
  "headwater-activity": HeadwaterActivity,
  "headwater-avatars": HeadwaterAvatars,
  "headwater-composer": HeadwaterComposer,
  "headwater-connection": HeadwaterConnection,
  "headwater-conversation": HeadwaterConversation,
  "headwater-cursors": HeadwaterCursors,
  "headwater-files": HeadwaterFiles,
  "headwater-health": HeadwaterHealth,
  "headwater-people": HeadwaterPeople,
  "headwater-selections": HeadwaterSelections,
  "headwater-tasks": HeadwaterTasks,
  "headwater-terminal": HeadwaterTerminal,
  "headwater-tool-logs": HeadwaterToolLogs,
  "headwater-workspace": HeadwaterWorkspace,
};

for (const [tag, element] of Object.entries(elements)) {
  if (!customElements.get(tag)) customElements.define(tag, element);
}
