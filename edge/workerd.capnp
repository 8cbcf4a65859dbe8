# The Worker on plain workerd: what `cargo xtask` runs, and what runs Weir without Cloudflare.
#
#   workerd serve edge/workerd.capnp --socket-addr http=0.0.0.0:8787 --directory-path journals=DIR
#
# UPSTREAM_URL, WEIR_PUBLIC_KEYS and the secrets come from the environment, and so do, where they are
# set, WEIR_HOSTS, DIFY_URL, COZE_DEVICE_INFO, NOTE_IDS_AFTER_MS, COZE_BOT_ID, CORS_ORIGINS and
# GUEST_CALLS_PER_MINUTE. DIR keeps the journals: it is half of the books, so it belongs on a disk that is backed up.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ( name = "edge", worker = .edge ),
    ( name = "journals", disk = ( writable = true ) ),
    # Upstream may also be on this machine or in this network.
    ( name = "internet",
      network = ( allow = [ "public", "private" ], tlsOptions = ( trustBrowserCas = true ) ) ),
  ],
  sockets = [ ( name = "http", http = (), service = "edge" ) ],
);

const edge :Workerd.Worker = (
  modules = [
    ( name = "index.js", esModule = embed "../build/index.js" ),
    ( name = "index_bg.wasm", wasm = embed "../build/index_bg.wasm" ),
  ],
  # The date of wrangler.toml; a test holds the two together.
  compatibilityDate = "2026-04-24",
  bindings = [
    ( name = "UPSTREAM_URL", fromEnvironment = "UPSTREAM_URL" ),
    ( name = "WEIR_PUBLIC_KEYS", fromEnvironment = "WEIR_PUBLIC_KEYS" ),
    ( name = "WEIR_HOSTS", fromEnvironment = "WEIR_HOSTS" ),
    ( name = "COZE_DEVICE_INFO", fromEnvironment = "COZE_DEVICE_INFO" ),
    ( name = "NOTE_IDS_AFTER_MS", fromEnvironment = "NOTE_IDS_AFTER_MS" ),
    ( name = "WEIR_EDGE_SIGNING_KEY", fromEnvironment = "WEIR_EDGE_SIGNING_KEY" ),
    # One that is not set is null, and counts as absent.
    ( name = "COZE_API_TOKEN", fromEnvironment = "COZE_API_TOKEN" ),
    ( name = "COZE_CLIENT_ID", fromEnvironment = "COZE_CLIENT_ID" ),
    ( name = "COZE_PUBLIC_KEY", fromEnvironment = "COZE_PUBLIC_KEY" ),
    ( name = "COZE_PRIVATE_KEY", fromEnvironment = "COZE_PRIVATE_KEY" ),
    ( name = "COZE_CREDENTIALS", fromEnvironment = "COZE_CREDENTIALS" ),
    ( name = "DIFY_URL", fromEnvironment = "DIFY_URL" ),
    ( name = "DIFY_APPS", fromEnvironment = "DIFY_APPS" ),
    ( name = "COZE_BOT_ID", fromEnvironment = "COZE_BOT_ID" ),
    ( name = "GUEST_KEY", fromEnvironment = "GUEST_KEY" ),
    ( name = "GUEST_CALLS_PER_MINUTE", fromEnvironment = "GUEST_CALLS_PER_MINUTE" ),
    ( name = "CORS_ORIGINS", fromEnvironment = "CORS_ORIGINS" ),
    ( name = "JOURNAL", durableObjectNamespace = "Journal" ),
  ],
  durableObjectNamespaces = [
    # The key is part of the files' names: another one would be an empty journal.
    ( className = "Journal", uniqueKey = "weir-journal", enableSql = true ),
  ],
  durableObjectStorage = ( localDisk = "journals" ),
);
