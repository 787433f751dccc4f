import { ID } from "./_around.ts";

export const OTHER = `p2p://vps.example:17/${ID}`;

export const CONFIG = "/home/u/.config/relay-p2p";

export const NET = "--allow-net";

export const ENV = "--allow-env=RELAY_P2P_*";

export const RELAY_SYS = "--allow-sys=hostname,networkInterfaces";

export const CONFIG_ENV = `${ENV},HOME,XDG_CONFIG_HOME`;

export const HERE = ["--allow-read=.", "--allow-write=."];
