// Stands in for Node while @dataform/core compiles a project: `require` over the texts that it is handed, and nothing else of a machine.
// Given: {root, files: {path: text}, request} and note(path), which hears which file runs. Answers with JSON: {graph} or {error}, and {absent}.
(function (given, note) {
  "use strict";
  const { root, files, request } = given;
  const loaded = {}, stack = [], absent = {};
  let compiler = null, failed = null;

  globalThis.global = globalThis;
  globalThis.process = { env: {}, argv: [] };
  const silent = () => undefined;
  globalThis.console = { log: silent, info: silent, warn: silent, error: silent, debug: silent, trace: silent };

  // Dataform asks V8's stack which file is calling; here the files that are being loaded are that stack, innermost first.
  const NativeError = Error;
  function ErrorWithFiles(message) {
    const error = new NativeError(message);
    Object.setPrototypeOf(error, new.target ? new.target.prototype : ErrorWithFiles.prototype);
    if (typeof ErrorWithFiles.prepareStackTrace === "function") {
      const frames = stack.slice().reverse().map((path) => ({ getFileName: () => root + "/" + path }));
      error.stack = ErrorWithFiles.prepareStackTrace(error, frames);
    }
    return error;
  }
  ErrorWithFiles.prototype = NativeError.prototype;
  NativeError.prototype.constructor = ErrorWithFiles;
  Object.setPrototypeOf(ErrorWithFiles, NativeError);
  globalThis.Error = ErrorWithFiles;
  Object.defineProperty(globalThis, "__dataform_current_file", {
    configurable: true,
    get: () => (stack.length ? root + "/" + stack[stack.length - 1] : null),
  });

  const BUILTIN = {
    path: {
      sep: "/",
      join: (...parts) => flat(parts.join("/")),
      normalize: flat,
      resolve: (...parts) => parts.reduce((at, part) => (part.startsWith("/") ? flat(part) : flat(at + "/" + part)), root),
      dirname: (path) => path.slice(0, Math.max(path.lastIndexOf("/"), 0)) || ".",
      basename: (path, ending) => {
        const name = path.slice(path.lastIndexOf("/") + 1);
        return ending && name.endsWith(ending) ? name.slice(0, -ending.length) : name;
      },
      extname: (path) => (/[^/](\.[^./]*)$/.exec(path) || ["", ""])[1],
      relative: (from, to) => {
        const [a, b] = [from.split("/"), to.split("/")];
        let same = 0;
        while (same < a.length && same < b.length && a[same] === b[same]) same += 1;
        return [...a.slice(same).map(() => ".."), ...b.slice(same)].join("/");
      },
      isAbsolute: (path) => path.startsWith("/"),
    },
  };

  function flat(path) {
    const parts = [];
    for (const part of path.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "." && part !== "") parts.push(part);
    }
    return (path.startsWith("/") ? "/" : "") + parts.join("/");
  }

  const has = (path) => Object.prototype.hasOwnProperty.call(files, path);

  function file(path) {
    const main = has(path + "/package.json") ? JSON.parse(files[path + "/package.json"]).main || "index.js" : "index.js";
    const named = flat(path + "/" + main);
    const tried = [path, path + ".js", path + ".json", path + ".cjs", named, named + ".js", named + "/index.js"];
    return tried.find(has);
  }

  // Relative to the file that asks; else a package; else a file of the project, as Dataform has it.
  function resolve(name, folder) {
    if (/^\.{1,2}(\/|$)/.test(name)) return file(flat((folder ? folder + "/" : "") + name));
    if (name.startsWith("/")) return name.startsWith(root + "/") ? file(flat(name.slice(root.length + 1))) : file(flat(name.slice(1)));
    for (let at = folder; ; at = at.slice(0, Math.max(at.lastIndexOf("/"), 0))) {
      const found = file((at ? at + "/" : "") + "node_modules/" + name);
      if (found) return found;
      if (!at) return file(flat(name));
    }
  }

  function requireFrom(folder) {
    return (name) => {
      if (Object.prototype.hasOwnProperty.call(BUILTIN, name)) return BUILTIN[name];
      const path = resolve(String(name), folder);
      if (path === undefined) {
        absent[name] = folder;
        throw new Error("Cannot find module '" + name + "'");
      }
      return load(path);
    };
  }

  function load(path) {
    if (Object.prototype.hasOwnProperty.call(loaded, path)) return loaded[path].exports;
    const module = (loaded[path] = { exports: {} });
    const folder = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    within(path, () => run(path, folder, module));
    return module.exports;
  }

  function within(path, job) {
    stack.push(path);
    note(path);
    try {
      return job();
    } catch (error) {
      delete loaded[path];
      if (failed === null || failed.error !== error) failed = { error, path };
      throw error;
    } finally {
      stack.pop();
      note(stack[stack.length - 1] || "");
    }
  }

  function run(path, folder, module) {
    const text = compiler && !path.startsWith("node_modules/") ? compiler(files[path], root + "/" + path) : files[path];
    if (path.endsWith(".json")) {
      module.exports = JSON.parse(text);
      return;
    }
    const body = parsed(path, text);
    body.call(module.exports, module.exports, requireFrom(folder), module, root + "/" + path, root + (folder && "/" + folder));
  }

  // Where a file is JavaScript as it stands, its line is told: QuickJS counts two lines of its own before the first.
  function parsed(path, text) {
    try {
      return new Function("exports", "require", "module", "__filename", "__dirname", text);
    } catch (error) {
      const line = Math.min(error.lineNumber - 2, text.split("\n").length);
      throw path.endsWith("js") && line > 0 ? new SyntaxError(error.message + " (line " + line + ")") : error;
    }
  }

  // A query may be a function that Dataform calls when all files are loaded: it still belongs to the file that it stands in.
  const TAKE_FUNCTIONS = ["sqlxAction", "publish", "operate", "assert", "test", "declare"];

  function tieTo(session) {
    const builders = [Object.prototype];
    for (const name of TAKE_FUNCTIONS.filter((name) => typeof session[name] === "function")) {
      const method = session[name];
      session[name] = function (...given) {
        const made = method.apply(this, tied(given, stack[stack.length - 1]));
        const builder = made && typeof made === "object" ? Object.getPrototypeOf(made) : Object.prototype;
        if (!builders.includes(builder)) builders.push(builder) && tieMethods(builder);
        return made;
      };
    }
  }

  function tieMethods(builder) {
    for (const name of Object.getOwnPropertyNames(builder)) {
      const method = builder[name];
      if (name === "constructor" || typeof method !== "function") continue;
      builder[name] = function (...given) { return method.apply(this, tied(given, stack[stack.length - 1])); };
    }
  }

  function tied(value, path) {
    if (path === undefined || path.startsWith("node_modules/")) return value;
    if (typeof value === "function") return function (...given) { return within(path, () => value.apply(this, given)); };
    if (Array.isArray(value)) return value.map((each) => tied(each, path));
    if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, tied(each, path)]));
  }

  function compile() {
    const require = requireFrom("");
    const core = require("@dataform/core");
    if (typeof core.main !== "function" || typeof core.compiler !== "function" || !core.session) return { unknown: String(core.version) };
    compiler = core.compiler;
    if (has("workflow_settings.yaml")) global.workflowSettingsYaml = require("./workflow_settings.yaml");
    if (has("dataform.json")) global.dataformJson = require("./dataform.json");
    tieTo(core.session);
    let graph = null;
    const compileSession = core.session.compile;
    core.session.compile = function (...given) {
      return (graph = compileSession.apply(this, given));
    };
    core.main(request);
    return { graph };
  }

  let answer;
  try {
    answer = compile();
  } catch (error) {
    answer = { error: { message: String((error && error.message) || error), path: failed && failed.error === error ? failed.path : "" } };
  }
  return JSON.stringify({ ...answer, absent });
});
