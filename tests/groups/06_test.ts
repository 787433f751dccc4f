import { runGroup } from "../_groups.ts";

await runGroup(import.meta.url);
