// Drives one Chromium for a test. Reads one JSON command a line from its input, answers each with one JSON line:
// `{"id":…,"result":…}` or `{"id":…,"error":"…"}`. Commands run side by side. Ends, with its browser, when its input ends.

import { chromium } from "playwright-core";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-domain-reliability", "--allow-loopback-in-peer-connection",
  "--autoplay-policy=no-user-gesture-required", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
  "--disable-background-timer-throttling", "--disable-dev-shm-usage",
  // Pages that want a camera get one that shows a rolling circle, and nobody is asked.
  "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  // Pages from a test's own network are as good as those by https.
  ...(process.env.SECURE_ORIGIN ? [`--unsafely-treat-insecure-origin-as-secure=${process.env.SECURE_ORIGIN}`] : []),
  // This machine by a name that browsers do not take for it, and pages from there not for secure ones.
  "--host-resolver-rules=MAP camera.test 127.0.0.1",
  // The test player is handed to Chromium by this driver and thus comes from no address; ask it for none.
  "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
];

// Where the test player is served: a path that no server has, answered from here.
const PREFIX = "/.browser-test/";
const PAGE = "<!doctype html><meta charset=utf-8><title>test player</title><style>body{margin:0}video{width:1280px}</style>";

const pages = new Map();
let context;

async function launch() {
  const profile = mkdtempSync(join(tmpdir(), "neverblink-chromium-"));
  process.on("exit", () => rmSync(profile, { recursive: true, force: true, maxRetries: 3 }));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? findChromium(),
    headless: true,
    viewport: { width: 1400, height: 900 },
    args: FLAGS,
  });
}

function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const places = (process.env.PATH ?? "").split(":").flatMap((d) => names.map((n) => join(d, n)));
  const found = places.find((p) => existsSync(p));
  if (!found) throw new Error("no Chromium on the path");
  return found;
}

async function newPage(name) {
  const page = await context.newPage();
  page.on("console", (message) => console.error(`[${name}] ${message.text()}`));
  page.on("pageerror", (error) => console.error(`[${name}] ${error.stack}`));
  pages.set(name, page);
  return page;
}

// An HTML page of the server's own origin with nothing in it; `then` may load this folder's modules into it. Interception
// ends before anything is measured.
async function emptyPage(name, url, then = () => {}) {
  const page = await newPage(name);
  const origin = new URL(url).origin;
  const pattern = `${origin}${PREFIX}**`;
  await page.route(pattern, (route) => {
    const file = new URL(route.request().url()).pathname.slice(PREFIX.length);
    if (file === "") return route.fulfill({ contentType: "text/html", body: PAGE });
    const body = readFileSync(new URL(file, import.meta.url), "utf8");
    return route.fulfill({ contentType: "text/javascript", body });
  });
  await page.goto(`${origin}${PREFIX}`);
  await then(page);
  await page.unroute(pattern);
  return page;
}

// The same with the test player in it.
const playerPage = (name, url) =>
  emptyPage(name, url, (page) =>
    page.evaluate(async () => {
      const { Player } = await import("./player.mjs");
      globalThis.player = new Player();
    }),
  );

const page = (name) => pages.get(name) ?? fail(`no page ${name}`);

function fail(text) {
  throw new Error(text);
}

// Asks again and again from here: a page's content policy may forbid that a text is evaluated in it later.
async function until(page, expression, timeout) {
  for (const end = Date.now() + timeout; ; ) {
    const value = await page.evaluate(expression);
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${expression}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Inlined, because a foreign page's content policy lets nothing be imported.
function probeScript() {
  const sources = ["clock.mjs", "summary.mjs", "probe.mjs"].map((f) => readFileSync(new URL(f, import.meta.url), "utf8"));
  const code = sources.join("\n").replace(/^import .*$/gm, "").replace(/^export /gm, "");
  return `(() => { ${code}\n return { Probe, tellByPlayer, latencyOf, since, percentiles }; })()`;
}

const commands = {
  // Plays by WHEP in a page of its own; resolves at the first picture.
  async watch({ name, url, options = {} }) {
    const page = await playerPage(name, url);
    return page.evaluate(([url, options]) => player.start(url, options), [url, options]);
  },

  // Makes the page for a later `join`, so that nothing but joining remains to be done then.
  async prepare({ name, url }) {
    await playerPage(name, url);
  },

  // Joins in a prepared page and leaves again.
  async join({ name, url, options = {} }) {
    const page = pages.get(name) ?? fail(`no page ${name}`);
    try {
      return await page.evaluate(([url, options]) => player.join(url, options), [url, options]);
    } finally {
      await commands.close({ name });
    }
  },

  // Two peers in one page.
  async loopback({ name, options = {} }) {
    const page = await playerPage(name, "http://127.0.0.1:9/");
    return page.evaluate((options) => player.loopback(options), options);
  },

  measure: ({ name, seconds }) => page(name).evaluate((seconds) => player.measure(seconds), seconds),

  // The first frame from now on that was captured at or after `captured`, in ms of the wall clock (any frame without it).
  frame: ({ name, captured = 0, timeout = 30_000 }) =>
    page(name).evaluate(
      async ([captured, timeout]) => {
        const age = (f) => f.at - captured;
        const { since } = await import("./summary.mjs").catch(() => globalThis.probeModule);
        const fits = (f) => !captured || (f.clock && since(f.clock.millis, f.at) <= age(f));
        const frame = await player.probe.until(fits, timeout);
        return { at: frame.at, latency_ms: frame.clock && since(frame.clock.millis, frame.at) };
      },
      [captured, timeout],
    ),

  state: ({ name }) =>
    page(name).evaluate(() => ({ state: player.pc.connectionState, session: player.session, timing: player.timing() })),

  // Opens a page as a person would. `script` runs before anything of the page does.
  async open({ name, url, script }) {
    const page = await newPage(name);
    if (script) await page.addInitScript(script);
    await page.goto(url);
  },

  // An empty HTML page of that server, for a test to put things into.
  async openEmpty({ name, url }) {
    await emptyPage(name, url);
  },

  // As `open`, with a camera before which a clock hangs.
  async openAsCamera({ name, url }) {
    const code = readFileSync(new URL("clock.mjs", import.meta.url), "utf8").replace(/^export /gm, "");
    const script = `(() => { ${code}\n navigator.mediaDevices.getUserMedia = async () => drawnClock(1280, 720, 30); })()`;
    return commands.open({ name, url, script });
  },

  // Watches the first <video> or <img> for which the expression `video` stands (the first one playing by default).
  async probe({ name, video = "document.querySelector('video')", timeout = 20_000 }) {
    const target = page(name);
    await until(target, `((v) => (v?.videoWidth ?? v?.naturalWidth) > 0)(${video})`, timeout);
    await target.evaluate(`{
      const { Probe, since, percentiles } = ${probeScript()};
      globalThis.player = { probe: new Probe(${video}), measure: (s) => player.probe.measure(s), since, percentiles };
    }`);
  },

  // Watches the player for which the expression `player` stands, which shows its pictures somewhere in `stage`.
  async probePlayer({ name, player, stage, timeout = 20_000 }) {
    const target = page(name);
    await until(target, `(${player})?.hasPicture`, timeout);
    await target.evaluate(`{
      const { Probe, tellByPlayer, latencyOf, since, percentiles } = ${probeScript()};
      const probe = new Probe(null, tellByPlayer(${player}, ${stage}));
      globalThis.player = { probe, measure: (s) => probe.measure(s), latencyOf, since, percentiles };
    }`);
  },

  evaluate: ({ name, expression }) => page(name).evaluate(expression),

  wait: ({ name, expression, timeout = 20_000 }) => until(page(name), expression, timeout),

  // One key, as a person presses it, for whatever has the focus.
  press: ({ name, key }) => page(name).keyboard.press(key),

  // What an accessibility checker finds wrong: a line for each rule that is broken, with the first element that breaks it.
  async accessibility({ name }) {
    await page(name).evaluate(readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
    const { violations } = await page(name).evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`);
  },

  screenshot: ({ name, path }) => page(name).screenshot({ path }).then(() => path),

  async close({ name }) {
    const target = page(name);
    pages.delete(name);
    await target.evaluate(() => globalThis.player?.stop?.()).catch(() => {});
    await target.close();
  },

  version: () => context.browser()?.version() ?? "unknown",
};

async function handle(line) {
  const { id, command, ...parameters } = JSON.parse(line);
  const run = commands[command] ?? fail(`no command ${command}`);
  try {
    await ready;
    answer({ id, result: (await run(parameters)) ?? null });
  } catch (error) {
    answer({ id, error: String(error?.message ?? error) });
  }
}

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const ready = launch();
ready.catch((error) => console.error(error));
const input = createInterface({ input: process.stdin });
input.on("line", handle);
input.on("close", async () => {
  await context?.close().catch(() => {});
  process.exit(0);
});
