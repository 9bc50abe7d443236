using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "app", worker = .app),
    (name = "network", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "app")],
);

const app :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.bundle.js")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [
    (name = "ELECTRIC_URL", fromEnvironment = "ELECTRIC_URL"),
    (name = "ELECTRIC_SECRET", fromEnvironment = "ELECTRIC_SECRET"),
  ],
  globalOutbound = "network",
);
