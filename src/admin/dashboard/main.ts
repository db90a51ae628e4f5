import { formatSeconds } from "../../status/units.ts";
import { Confirmation } from "./confirmation.ts";
import { byId, setText } from "./fields.ts";
import { Live } from "./live.ts";
import { ProgramList } from "./program-list.ts";
import { Summary } from "./summary.ts";

// Over a TCP address one may only look: the server says so, and would refuse.
const mayAct = document.documentElement.dataset["actions"] === "yes";
const confirmation = mayAct ? new Confirmation() : undefined;
const parts = [new Summary(confirmation), new ProgramList(confirmation)];

const render = () => {
  for (const part of parts) part.render();
};

new Live({
  onSnapshot(snapshot) {
    for (const part of parts) part.add(snapshot);
    if (!document.hidden) render();
  },
  onLook(isLive, ageSeconds) {
    const isKnown = ageSeconds !== undefined;
    document.body.classList.toggle("stale", !isLive);
    setText(byId("connection"), isLive ? "live" : "not connected");
    // Not in the live region: nobody wants to hear it count.
    setText(byId("age"), isLive || !isKnown ? "" : `what is shown is ${formatSeconds(ageSeconds)} old`);
  },
}).start();

document.addEventListener("visibilitychange", render);
