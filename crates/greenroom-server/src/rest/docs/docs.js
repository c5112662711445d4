// Shows openapi.json and lets its operations be tried. Everything is made with text nodes: nothing
// that comes from the server is taken for markup.
"use strict";

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
};

const main = document.querySelector("main");
let description;

/** What a schema looks like, in a line. */
function shape(schema, depth = 0) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 3 ? name : shape(description.components.schemas[name], depth + 1);
  }
  const any = schema.oneOf || schema.anyOf;
  if (any) return any.map((one) => shape(one, depth)).join(" | ");
  if (schema.properties) {
    const required = schema.required || [];
    const pairs = Object.entries(schema.properties).map(([key, value]) => {
      return `"${key}"${required.includes(key) ? "" : "?"}: ${shape(value, depth + 1)}`;
    });
    return `{ ${pairs.join(", ")} }`;
  }
  if (schema.items) return `[${shape(schema.items, depth + 1)}]`;
  return [].concat(schema.type || "any").join(" | ");
}

const bodyOf = (of) => Object.entries(of.content || {});

function table(caption, rows) {
  const cells = (row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)));
  const headings = ["Name", "Type", "Meaning"].map((text) => make("th", { scope: "col" }, text));
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...headings)),
    make("tbody", {}, ...rows.map(cells)),
  );
}

async function answerOf(response) {
  const bytes = await response.arrayBuffer();
  const kind = response.headers.get("content-type") || "";
  const head = `${response.status} ${response.statusText}\n${kind}\n\n`;
  if (kind.includes("json")) {
    return head + JSON.stringify(JSON.parse(new TextDecoder().decode(bytes) || "null"), null, 2);
  }
  if (kind.startsWith("text/") || kind.includes("xml")) return head + new TextDecoder().decode(bytes);
  return `${head}${bytes.byteLength} bytes`;
}

function tryForm(method, path, operation, id) {
  const field = (name, element, label) => {
    element.id = `${id}-${name}`;
    return [make("label", { htmlFor: element.id }, label), element];
  };
  const parameters = (operation.parameters || []).map((parameter) => {
    return { parameter, input: make("input", { autocomplete: "off" }) };
  });
  const fields = parameters.flatMap(({ parameter, input }) =>
    field(`${parameter.in}-${parameter.name}`, input, `${parameter.name} (${parameter.in})`),
  );
  const kinds = operation.requestBody ? bodyOf(operation.requestBody).map(([kind]) => kind) : [];
  const kind = make("select", {}, ...kinds.map((one) => make("option", {}, one)));
  const body = make("textarea", { spellcheck: false });
  if (kinds.length > 0) fields.push(...field("kind", kind, "Type of the body"), ...field("body", body, "Body"));
  const output = make("pre", { tabIndex: 0, ariaLabel: `Answer of ${method.toUpperCase()} ${path}`, role: "region" });
  const status = make("p", { role: "status" });
  const send = async () => {
    status.textContent = "Asking …";
    output.textContent = "";
    const headers = {};
    const token = document.querySelector("#token").value;
    if (token) headers.authorization = `Bearer ${token}`;
    // Who is signed in to the console needs no token: this says that a page of the server's own asks.
    else headers["greenroom-console"] = "1";
    let to = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of parameters) {
      if (parameter.in === "path") to = to.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === "header") headers[parameter.name.toLowerCase()] = input.value;
      else if (input.value) query.set(parameter.name, input.value);
    }
    if (body.value) headers["content-type"] = kind.value;
    // The page may be served below a path of a proxy's.
    const base = new URL("..", location.href).href.replace(/\/$/, "");
    try {
      const asked = `${base}${to}${query.size ? `?${query}` : ""}`;
      const abort = AbortSignal.timeout(20000);
      const response = await fetch(asked, { method: method.toUpperCase(), headers, body: body.value || undefined, signal: abort });
      output.textContent = await answerOf(response);
      status.textContent = "Answered.";
    } catch (error) {
      status.textContent = `No answer: ${error.message}`;
    }
  };
  const button = make("button", { type: "button", onclick: send }, `Try ${method.toUpperCase()}`);
  return [...fields, button, status, output];
}

function operationOf(method, path, operation, id) {
  const rows = (operation.parameters || []).map((parameter) => [
    `${parameter.name}${parameter.required ? "" : "?"}`,
    shape(parameter.schema || {}),
    parameter.description || "",
  ]);
  const answers = Object.entries(operation.responses).map(([status, response]) => [
    status,
    bodyOf(response).map(([kind, media]) => `${kind}: ${shape(media.schema || {})}`).join("; "),
    response.description || "",
  ]);
  const bodies = operation.requestBody
    ? bodyOf(operation.requestBody).map(([kind, media]) => [kind, shape(media.schema || {}), ""])
    : [];
  const inside = make(
    "div",
    { className: "inside" },
    operation.description ? make("p", {}, operation.description) : null,
    rows.length ? table("Parameters", rows) : null,
    bodies.length ? table("Body", bodies) : null,
    table("Answers", answers),
    ...tryForm(method, path, operation, id),
  );
  const title = make(
    "summary",
    {},
    make("span", { className: "method" }, method.toUpperCase()),
    make("code", {}, path),
    ` ${operation.summary || ""}`,
  );
  return make("details", { id }, title, inside);
}

async function show() {
  const response = await fetch("openapi.json");
  description = await response.json();
  document.querySelector("#about").textContent = `${description.info.description} Version ${description.info.version}.`;
  const tags = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = (operation.tags || ["others"])[0];
      const operations = tags.get(tag) || [];
      operations.push(operationOf(method, path, operation, `operation-${operation.operationId || method + path}-${tag}`));
      tags.set(tag, operations);
    }
  }
  const sections = [...tags].map(([tag, operations]) => {
    return make("section", {}, make("h2", {}, tag[0].toUpperCase() + tag.slice(1)), ...operations);
  });
  main.replaceChildren(...sections);
}

show().catch((error) => main.replaceChildren(make("p", { role: "alert" }, `Cannot load openapi.json: ${error.message}`)));
