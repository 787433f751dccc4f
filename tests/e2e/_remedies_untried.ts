/**
 * Remedies that are not followed by `remedies_test.ts`, by module, each with the
 * reason.
 */

const OF_OTHERS = "somebody else has to act: there is no command to try";
const OF_TIME = "waiting is all there is to do: other tests hold the waits";
const OF_MACHINES = "takes another machine, clock, disk or firewall";
const OF_TERMINALS = "only at a terminal, which other tests type at";
const OF_RACES = "takes another program that acts in between: other tests do";
const OF_NODES = "takes nodes that lie, break off or change: other tests do";
const OF_SIZES = "takes more than fits here: the limit is held by other tests";
const NO_ADVICE = "says how things are: nothing is to be done";
const ELSEWHERE = "the check before it says the same, and that one is tried";

/** Words and reasons. */
export const UNTRIED: Readonly<
  Record<string, Readonly<Record<string, string>>>
> = {
  "lib/access/credentials.ts": {
    "ask the sender for another link": OF_OTHERS,
    "give its relay address, p2p://HOST:PORT/RELAY_ID":
      "takes a relay that lies: tests/access/private_relay_test.ts has one",
    "try again later": OF_TIME,
    "wait a minute": OF_TIME,
  },
  "lib/access/further_relay.ts": { "give fewer": OF_SIZES },
  "lib/access/link.ts": { "give the file a shorter name": OF_SIZES },
  "lib/access/secret_file.ts": {
    'chown "$(id -u)" ${show(path)}': "takes another user",
  },
  "lib/base/permission.ts": {
    "rename it: Deno cannot grant a path with a comma, and its parent folder is the root":
      "takes a folder in the root: tests/base/permission_test.ts has the words",
  },
  "lib/cli/options/relay_list.ts": {
    "name a file with an address on each line with --relays":
      "tests/cli/options/relay_list_test.ts has right lists",
    "write p2p://HOST:PORT/RELAY_ID or HOST:PORT, and for a private relay also the file with its token":
      "tests/cli/options/relay_list_test.ts has right lists",
    "write the address of a relay on each line":
      "tests/cli/options/relay_list_test.ts has right lists",
  },
  "lib/gateway/find_file.ts": { "try again later": OF_TIME },
  "lib/gateway/certificate.ts": {
    "give a ${what} that begins with -----BEGIN, without a password":
      "tests/gateway/attacks_test.ts gives a right pair",
    "give the key of this certificate":
      "tests/gateway/attacks_test.ts gives a right pair",
  },
  "lib/gateway/cors.ts": {
    "give scheme, name and port, such as https://example.org":
      "tests/gateway/cors_test.ts gives such origins",
  },
  "lib/gateway/file_source.ts": {
    "look for it in the list": "takes a browser: it shows the list",
  },
  "lib/gateway/reader_memory.ts": { "try again later": OF_TIME },
  "lib/gateway/link_gate.ts": {
    "ask the sender for a link to this gateway": OF_OTHERS,
  },
  "lib/cli/commands/gateway.ts": {
    "name a file with the ${what} in it, as PEM":
      "tests/gateway/attacks_test.ts gives such files",
  },
  "lib/cli/commands/get.ts": {
    grantRemedy: ELSEWHERE,
    "run the same command again to continue":
      "tests/long/e2e/transfer_test.ts interrupts one",
  },
  "lib/cli/commands/link.ts": {
    "name a file with -o": "tests/e2e/link_names_test.ts does so",
    "get LINK fetches it, and never replaces a file":
      "takes a link of a private relay: another remedy of links is tried",
  },
  "lib/cli/commands/send.ts": {
    "name its file with --node-token-file":
      "takes a private relay and a node: tests/long/e2e/send_test.ts sends so",
    "pack it into a file first, or share it with peer_node.ts":
      "what is to be packed is up to the person",
    "send it again, with a longer --expires": OF_TIME,
  },
  "lib/share/shared_path.ts": {
    "share a folder that holds them": OF_SIZES,
    "share it under another name: NAME=PATH":
      "the same words with two of a name are tried",
  },
  "lib/cli/commands/receipt.ts": {
    "fetch fewer files at a time": OF_SIZES,
    "repeat the command to a folder that nobody else changes": OF_RACES,
  },
  "lib/cli/commands/saving.ts": { "choose another path": OF_TERMINALS },
  "lib/cli/output/tried.ts": {
    "the relay started ${this.#uptime} s ago, and some nodes may not have registered again yet: try again in half a minute":
      OF_TIME,
  },
  "lib/client/path_conflicts.ts": {
    "fetch fewer folders with one command": OF_SIZES,
  },
  "lib/client/failures.ts": {
    "ask for a new link": OF_OTHERS,
    "ask for another link": OF_OTHERS,
    "ask the person who runs the relay": OF_OTHERS,
    "check the nodes that sent it": OF_NODES,
    "name a file by its whole path, or the folder with a slash at its end":
      "takes a folder of a file's name: tests/client/wider_search_test.ts names it so",
    "run again when the file is hashed and no longer changes": OF_NODES,
    "run again to resume": OF_NODES,
    "run again when it no longer changes, or fetch a copy of it": OF_NODES,
    "run again; if that does not help, check the clocks of node and relay":
      OF_MACHINES,
    "check that the node may read it, and that its disk works": OF_MACHINES,
    "wait a minute": OF_TIME,
  },
  "lib/client/list_failures.ts": {
    "ask the person who runs the relay": OF_OTHERS,
    "run again": OF_NODES,
    "take one folder at a time, such as 'photos/'": OF_NODES,
  },
  "lib/disk/places.ts": {
    "the files are saved, but a power failure may lose them": NO_ADVICE,
  },
  "lib/share/digest_store.ts": { grantRemedy: ELSEWHERE },
  "lib/doctor/families.ts": {
    "open its port for ${other}, or remove that address from its name":
      "takes a name with addresses of both families",
  },
  "lib/doctor/machine.ts": {
    "let the user that runs the node read them": "takes another user",
    "free some space, or save elsewhere": OF_MACHINES,
  },
  "lib/doctor/index.ts": {
    "look for index_refused in its log, or wait for its first scan":
      "a warning, after which the doctor ends with 0",
  },
  "lib/doctor/node.ts": {
    "run it again in a few seconds": OF_TIME,
  },
  "lib/doctor/port.ts": {
    "grant it with --allow-net": "the relay's check before it says the same",
  },
  "lib/doctor/relay.ts": {
    "give its relay address in place of host and port":
      "the same with an id is tried",
    "correct the wrong clock": OF_MACHINES,
    "run the relay with its secret again, or leave the token out":
      "a warning, after which the doctor ends with 0",
  },
  "lib/doctor/swarm.ts": {
    "until then, files come only from nodes": NO_ADVICE,
    "let deno accept connections in the firewall": OF_MACHINES,
    "run it again in a few seconds": OF_TIME,
  },
  "lib/cli/commands/swarming.ts": {
    "add --swarm, or omit this option":
      "the options of a swarm are tried by its own tests",
  },
  "lib/doctor/tunnels.ts": {
    "open it in the relay's firewall, which saves the relay work": OF_MACHINES,
    "check that the relay's ports are open, and run this again": OF_MACHINES,
  },
  "lib/base/errors.ts": {
    "; ${parts.remedy}": "joins a remedy to its error, and is none",
  },
  "lib/node/registrations.ts": {
    "give a token for each relay, or for none":
      "tests/node/registrations_test.ts has a token for each",
  },
  "lib/uplink/relay_failures.ts": {
    "run the same version on both sides": "takes another version",
  },
  "lib/uplink/relay_dialer.ts": {
    "set this machine's clock, or the relay's": OF_MACHINES,
    "update relay-p2p here": "takes another version",
  },
  "lib/client/transfer_options.ts": {
    "name one by its id: ${idsInWords(chosen)}":
      "takes two nodes of one name: tests/client/chosen_node_test.ts has them",
  },
  "lib/disk/disk_failure.ts": {
    "free some space and run the same command again: the received bytes are kept":
      OF_MACHINES,
    "create the folder, and run the same command again": OF_RACES,
    "solve that and run the same command again: the file is fetched from the beginning":
      OF_MACHINES,
    "solve that and run the same command again: the received bytes are kept":
      OF_MACHINES,
  },
  "lib/disk/own_place.ts": {
    "save to a folder that nobody else changes": OF_RACES,
  },
  "lib/disk/partial.ts": {
    "create the folder again, and repeat the command": OF_RACES,
    "repeat the command": OF_RACES,
  },
  "lib/disk/partial_name.ts": {
    "wait for it, or choose another path": OF_RACES,
  },
  "lib/cli/output/remedies.ts": {
    "save elsewhere with -o, or have its owner remove it":
      "takes another user: tests/disk/leftover_file_test.ts has one",
    "save elsewhere with -o, or use --overwrite to replace it":
      "takes another user: tests/client/places_test.ts has one",
    "check the name, or ask all nodes with --ask-all":
      "takes more than 32 nodes: tests/client/candidates_test.ts has them",
    "fetch it separately, and save it elsewhere with -o": OF_NODES,
    "give each node its own --state":
      "takes two nodes with one identity: tests/uplink/registrant_test.ts has the answer",
    "open the port in firewall and router, and name it with --advertise if it differs outside":
      OF_MACHINES,
    "choose the content with --sha256, --node or --prefer":
      "takes nodes at more addresses than there are here: other tests do",
    "the node reported a wrong hash; choose another with --node": OF_NODES,
    "use --sort none, or list one folder at a time, such as 'photos/'":
      OF_NODES,
  },
};
