/**
 * A BitTorrent seed and leecher for comparison: libtorrent 2.0 through Python,
 * set up for one fast TCP connection and nothing that looks for peers. These
 * settings and 1 MiB pieces were the fastest of those tried.
 */

/** Where Debian's `python3-libtorrent` is found. */
export const PYTHON = "/usr/bin/python3";

/** Whether libtorrent can be used. */
export async function hasLibtorrent(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(PYTHON, {
      args: ["-c", "import libtorrent"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // no Python
  }
}

/**
 * `make FILE TORRENT`, `seed TORRENT FOLDER` and `leech TORRENT FOLDER PORT`.
 * A leecher ends when all is received, verified and flushed.
 */
export const LIBTORRENT_SCRIPT = `
import os, sys, libtorrent as lt

MIB = 1024 * 1024
SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "enable_dht": False, "enable_lsd": False,
    "enable_upnp": False, "enable_natpmp": False,
    "in_enc_policy": 2, "out_enc_policy": 2,  # none
    "send_buffer_watermark": 16 * MIB,
    "send_buffer_low_watermark": 4 * MIB,
    "send_buffer_watermark_factor": 200,
    "send_socket_buffer_size": 4 * MIB, "recv_socket_buffer_size": 4 * MIB,
    "max_peer_recv_buffer_size": 16 * MIB,
    "max_out_request_queue": 4000, "max_allowed_in_request_queue": 8000,
    "request_queue_time": 10, "max_queued_disk_bytes": 256 * MIB,
    "aio_threads": 4, "hashing_threads": 1,
    "unchoke_slots_limit": -1, "rate_limit_ip_overhead": False,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification,
}

def start(torrent, folder, flags):
    session = lt.session(SETTINGS)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= flags
    return session, session.add_torrent(params)

def make(path, torrent):
    files = lt.file_storage()
    lt.add_files(files, path)
    made = lt.create_torrent(files, 1 * MIB, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, os.path.dirname(path))
    with open(torrent, "wb") as output:
        output.write(lt.bencode(made.generate()))

def seed(torrent, folder):
    session, _ = start(torrent, folder, lt.torrent_flags.seed_mode)
    print("seeding on", session.listen_port(), flush=True)
    sys.stdin.read()  # until the other side ends

def leech(torrent, folder, port):
    session, handle = start(torrent, folder, 0)
    handle.connect_peer(("127.0.0.1", int(port)))
    while not handle.status().is_seeding:
        session.wait_for_alert(10)
        session.pop_alerts()
    handle.flush_cache()
    while not any(isinstance(alert, lt.cache_flushed_alert)
                  for alert in session.pop_alerts()):
        session.wait_for_alert(1000)
    os._exit(0)  # without taking leave, which would cost it time

{"make": make, "seed": seed, "leech": leech}[sys.argv[1]](*sys.argv[2:])
`;
