import { formatSeconds } from "../../status/units.ts";
import { Confirmation } from "./confirmation.ts";
import { byId, setText } from "./fields.ts";
import { Live } from "./live.ts";
import { ProgramList } from "./program-list.ts";
import { Summary } from "./summary.ts";
import { Troubles } from "./trouble.ts";

// Over a TCP address one may only look: the server says so, and would refuse.
const mayAct = document.documentElement.dataset["actions"] === "yes";
const confirmation = mayAct ? new Confirmation() : undefined;
const troubles = new Troubles();
const summary = new Summary(confirmation);
const list = new ProgramList(troubles, confirmation);

const render = () => {
  summary.render(troubles.inTrouble.length);
  list.render();
};

new Live({
  onSnapshot(snapshot) {
    troubles.add(snapshot);
    summary.add(snapshot);
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
