// Runs the files of conformance/cases through AWS's JavaScript SDK, in Node and in a page alike.
// conformance/cases/README.md explains the words.

/** Runs the cases of a file; tells what is wrong, by case. `clients` are by server, then service. */
export async function runFile(file, words, clients) {
  const wrong = {};
  await Promise.all(
    file.cases.map(async (one) => {
      const run = new Run(file, words, clients[one.server ?? "usual"]);
      await run.all(one).catch((error) => (wrong[one.name] = error.message));
      await run.forget();
    }),
  );
  return wrong;
}

class Run {
  constructor(file, words, server) {
    this.file = file;
    this.words = words;
    this.services = file.service === "messaging" ? [server.messaging, server.identity] : [server.identity, server.messaging];
    this.variables = { unique: crypto.randomUUID(), host: server.host };
  }

  async all(one) {
    for (const step of this.fixtures(["app", ...(this.file.given ?? []), ...(one.given ?? [])])) {
      await this.step(step, `fixture ${step.call}`);
    }
    for (const [i, step] of (one.steps ?? [one]).entries()) {
      const own = step.call === undefined || step.call === this.file.operation;
      const whole = own ? { as: this.file.as, ...step, call: this.file.operation, with: { ...this.file.input, ...step.with } } : step;
      await this.step(whole, `step ${i + 1} (${whole.call})`);
    }
  }

  /** Deletes the app instances of the case, so that a server does not run full of them. */
  async forget() {
    for (const AppInstanceArn of [this.variables.app, this.variables.other_app]) {
      if (AppInstanceArn) await this.call("DeleteAppInstance", { AppInstanceArn }).catch(() => {}); // the case may have done it
    }
  }

  fixtures(names, made = new Set()) {
    return names.flatMap((name) => {
      if (made.has(name)) return [];
      made.add(name);
      const { needs = [], steps } = this.words.fixtures[name];
      return [...this.fixtures(needs, made), ...steps];
    });
  }

  async step(step, where) {
    const input = this.input(step);
    if (step.pages) return this.pages(step, input, where);
    if (step.error) return this.refused(step, input, where);
    const answer = await this.call(step.call, input).catch((error) => fail(where, `${error.name}: ${error.message}`));
    if (step.expect) fail(where, ...this.compare(step.call, step.expect, answer));
    for (const [name, path] of Object.entries(step.save ?? {})) {
      this.variables[name] = at(answer, path);
      if (this.variables[name] === undefined) fail(where, `the answer has no ${path}`);
    }
    if (!step.again) return;
    const second = await this.call(step.call, input).catch((error) => fail(where, `called again: ${error.name}: ${error.message}`));
    if (!equal(second, answer)) fail(where, `called again it answers ${text(second)}, at first ${text(answer)}`);
  }

  input(step) {
    const bearer = step.as ? { ChimeBearer: `$${step.as}` } : {};
    const input = this.fill({ ...bearer, ...step.with });
    for (const [name, value] of Object.entries(input)) {
      if (value === null) delete input[name];
      if (name === "NotBefore" || name === "NotAfter") input[name] = new Date(value);
    }
    return input;
  }

  async refused({ call, error: name, says = "", within = 1 }, input, where) {
    let answer, error;
    for (let n = 0; n < within && !error; n++) {
      answer = await this.call(call, input).catch((e) => void (error = e));
    }
    if (!error) fail(where, `it answers ${text(answer)}, want ${name}`);
    const Class = this.services.find(({ sdk }) => sdk[`${call}Command`]).sdk[name];
    const status = error.$metadata?.httpStatusCode;
    if (error instanceof Class && error.name === name && status === this.words.errors[name] && error.message.includes(says)) return;
    fail(where, `the error is ${error.name} ${status} "${error.message}", want an instance of ${name} that says "${says}"`);
  }

  async pages({ call, pages }, input, where) {
    const items = [];
    for (let page = 0; page < 2000; page++) {
      const answer = await this.call(call, { ...input, MaxResults: 1 }).catch((error) => fail(where, `${error.name}: ${error.message}`));
      const got = answer[pages.items] ?? [];
      if (got.length > 1) fail(where, `a page of one has ${got.length} items`);
      items.push(...got.map((item) => (pages.by ? at(item, pages.by) : item)));
      input.NextToken = answer.NextToken;
      if (input.NextToken === undefined) return this.comparePages(pages, items, where);
    }
    fail(where, "the pages have no end");
  }

  comparePages(pages, items, where) {
    if (!pages.includes) return fail(where, ...this.compare(pages.items, pages.equals ?? [], items));
    const want = this.fill(pages.includes);
    fail(where, ...this.compare(pages.items, want, items.filter((item) => want.some((w) => equal(w, item)))));
  }

  /** The file's own service goes first, because both have tags. */
  async call(operation, input) {
    const service = this.services.find(({ sdk }) => sdk[`${operation}Command`]);
    if (!service) throw new Error(`AWS's SDK has no operation ${operation}`);
    const { $metadata, ...answer } = await service.client.send(new service.sdk[`${operation}Command`](input));
    return plain(answer);
  }

  fill(value) {
    if (typeof value === "string") return this.fillText(value);
    if (Array.isArray(value)) return value.map((item) => this.fill(item));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, this.fill(inside)]));
  }

  fillText(value) {
    const repeated = /^<(\d+) (.+)>$/.exec(value);
    if (repeated) return repeated[2].repeat(Number(repeated[1]));
    const variable = (name) => {
      if (!(name in this.variables)) throw new Error(`there is no variable $${name}`);
      return this.variables[name];
    };
    const whole = /^\$([A-Za-z0-9_]+)$/.exec(value);
    if (whole) return variable(whole[1]);
    return value.replace(/\$(\$|[A-Za-z0-9_]+)/g, (_, name) => (name === "$" ? "$" : variable(name)));
  }

  /** What is not as expected, in words. */
  compare(path, want, got) {
    if (Array.isArray(want)) {
      if (!Array.isArray(got) || got.length !== want.length) return [`${path} is ${text(got)}, want ${text(want)}`];
      return want.flatMap((item, i) => this.compare(`${path}.${i}`, item, got[i]));
    }
    if (want !== null && typeof want === "object") {
      if (got === null || typeof got !== "object") return [`${path} is ${text(got)}, want ${text(want)}`];
      return Object.entries(want).flatMap(([name, inside]) => this.compare(`${path}.${name}`, inside, got[name]));
    }
    return this.matches(want, got) ? [] : [`${path} is ${text(got)}, want ${want}`];
  }

  matches(want, got) {
    if (typeof want !== "string") return want === got;
    if (want.startsWith("~")) return typeof got === "string" && new RegExp(want.slice(1)).test(got);
    if (want === "<absent>") return got === undefined || got === null;
    if (want === "<any>") return got !== undefined && got !== null;
    if (want === "<time>") return Math.abs(Date.now() - Date.parse(got)) < 600_000;
    return equal(this.fillText(want), got);
  }
}

function fail(where, ...reasons) {
  if (reasons.length > 0) throw new Error(`${where}: ${reasons.join("\n")}`);
}

/** An answer as JSON would have it: times as text, and nothing that is absent. */
function plain(value) {
  return JSON.parse(JSON.stringify(value));
}

function at(value, path) {
  return path.split(".").reduce((inside, name) => inside?.[name], value);
}

function equal(a, b) {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => equal(a[name], b[name]));
}

const text = (value) => JSON.stringify(value);
