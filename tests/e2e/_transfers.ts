import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { MIB } from "./_transfer.ts";

export const PARTIAL = partialPathOf("f");

export const CONTENT = randomBytes(4 * MIB + 7, seededRandom(2));
