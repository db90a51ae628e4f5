import { defineCommand } from "citty";
import { ADMIN_FLAGS, AdminClient } from "./admin-client.ts";
import { type CommandData, EXIT_OK } from "./command.ts";

/** `std-fpm status`: what the running daemon is at. */
export const statusCommand = defineCommand({
  meta: { name: "status", description: "Show what the running daemon is at: programs, processes, numbers" },
  args: {
    json: { type: "boolean", description: "As JSON (docs/status.md)" },
    full: { type: "boolean", description: "With every process, and the requests at work" },
    ...ADMIN_FLAGS,
  },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    const client = await AdminClient.open("status", args);
    const path = args.json ? "/status.json" : "/status";
    const text = await client.text(`${path}${args.full ? "?full" : ""}`);
    await terminal.out(text.endsWith("\n") ? text : `${text}\n`);
    return EXIT_OK;
  },
});
