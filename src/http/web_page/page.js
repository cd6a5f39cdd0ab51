// Where a todo or a number belongs to a text, it stands behind it.
const TEXT = {
  en: {
    heading: "Todos", close: "Close",
    add: "Add", title: "Title", description: "Description", newTitle: "What is to be done?", newDescription: "Description, if it needs one",
    show: "Show", all: "All", active: "Active", completed: "Completed", search: "Search", shown: "Shown",
    more: "Load more", clear: "Clear completed", cancel: "Cancel", save: "Save", edit: "Edit", delete: "Delete", discard: "Discard", continue: "Continue", undo: "Undo",
    none: "Nothing to do yet. Add the first todo above.", noneHere: "No todo matches.",
    offline: "The server cannot be reached. What you typed is kept.", retry: "Try again", online: "The server is back",
    failed: "That did not work",
    added: "Added", saved: "Saved", deleted: "Deleted (undo adds it again, as a new todo)",
    clearQuestion: "Delete all completed todos? This cannot be undone.", discardQuestion: "Discard what you typed?",
    conflict: "Changed elsewhere", conflictWhy: "The server has another version now. Yours is below it.", take: "Use the server's", keep: "Save mine over it",
    lookAgain: "Changed elsewhere, so not deleted", gone: "Deleted elsewhere", again: "Add as a new todo",
    access: "Access token", accessWhy: "The server asks for it. It is kept until you close this tab.", token: "Token",
    memory: "In memory only", redb: "Saved on disk", up: "Up", away: "Not reachable",
    keys: "Keyboard", keyList: "List: ↑ ↓ Home End move, Space completes, F2 edits, Delete deletes. Editing: Ctrl+Enter saves, Esc cancels.",
  },
  ko: {
    heading: "할 일", close: "닫기",
    add: "추가", title: "제목", description: "설명", newTitle: "무엇을 해야 하나요?", newDescription: "설명 (선택)",
    show: "보기", all: "전체", active: "진행 중", completed: "완료", search: "검색", shown: "표시",
    more: "더 보기", clear: "완료 항목 삭제", cancel: "취소", save: "저장", edit: "수정", delete: "삭제", discard: "버리기", continue: "계속", undo: "실행 취소",
    none: "아직 할 일이 없습니다. 위에서 추가해 보세요.", noneHere: "해당하는 할 일이 없습니다.",
    offline: "서버에 연결할 수 없습니다. 입력한 내용은 남아 있습니다.", retry: "다시 시도", online: "서버에 다시 연결됨",
    failed: "처리하지 못함",
    added: "추가됨", saved: "저장됨", deleted: "삭제됨 (실행 취소하면 새 항목으로 추가)",
    clearQuestion: "완료된 할 일을 모두 삭제할까요? 되돌릴 수 없습니다.", discardQuestion: "입력한 내용을 버릴까요?",
    conflict: "다른 곳에서 변경됨", conflictWhy: "서버에 다른 버전이 있습니다. 내 버전은 그 아래에 있습니다.", take: "서버 버전 사용", keep: "내 버전으로 저장",
    lookAgain: "다른 곳에서 변경되어 삭제하지 않음", gone: "다른 곳에서 삭제됨", again: "새 할 일로 추가",
    access: "접근 토큰", accessWhy: "서버가 토큰을 요구합니다. 이 탭을 닫을 때까지만 보관합니다.", token: "토큰",
    memory: "메모리에만 저장", redb: "디스크에 저장", up: "가동", away: "연결 안 됨",
    keys: "키보드", keyList: "목록: ↑ ↓ Home End 이동, Space 완료, F2 수정, Delete 삭제. 수정 중: Ctrl+Enter 저장, Esc 취소.",
  },
};

const PAGE_SIZE = 100;
const SEARCH_DELAY_MS = 250;
const STATE_PERIOD_MS = 15000;
const RETRY_PERIOD_MS = 3000;
const NEWS_DELAY_MS = 200;
const SILENCE_MS = 40000;

const language = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in TEXT) ?? "en";
const text = TEXT[language];
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => root.querySelectorAll(selector);
const on = (target, type, handler, options) => target.addEventListener(type, handler, options);
const focusTitle = () => addForm.elements.title.focus();
const named = (key, name) => `${text[key]}: ${name}`;
const list = $("#list");
const addForm = $("#add");

// --- Text on the page -----------------------------------------------------

function translate(root) {
  for (const element of $$("[data-text]", root)) element.textContent = text[element.dataset.text];
  for (const element of $$("[data-label]", root)) element.setAttribute("aria-label", text[element.dataset.label]);
  for (const element of $$("[data-hint]", root)) element.placeholder = text[element.dataset.hint];
}

function copyOf(template) {
  const element = $(template).content.firstElementChild.cloneNode(true);
  translate(element);
  return element;
}

// For screen readers.
function say(message) {
  $("#status").textContent = message;
}

function notify(message) {
  $("#notice p").textContent = message;
  $("#notice").hidden = false;
}

function ask(question, answer) {
  const dialog = $("#confirm");
  $("p", dialog).textContent = question;
  $(".danger", dialog).textContent = answer;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    on(dialog, "close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// --- The server -----------------------------------------------------------

// Status 0: there is no answer.
const failure = (status, message) => Object.assign(new Error(message), { status });

// Storage can be switched off; the page then forgets at a reload, and no more.
function remember(name, value) {
  try {
    if (value) sessionStorage.setItem(name, value);
    else sessionStorage.removeItem(name);
  } catch { /* as said */ }
}

function recall(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

let token = recall("token");
let tokenQuestion = null;

// One question, however many requests wait for its answer.
function askForToken(reason) {
  tokenQuestion ??= new Promise((resolve, reject) => {
    const dialog = $("#access");
    const input = $("input", dialog);
    input.value = "";
    $(".error", dialog).textContent = token ? reason : "";
    dialog.returnValue = "";
    dialog.showModal();
    on(dialog, "close", () => {
      tokenQuestion = null;
      if (dialog.returnValue !== "yes") return reject(failure(401, reason));
      token = input.value.trim();
      input.value = "";
      remember("token", token);
      resolve();
      follow();
    }, { once: true });
  });
  return tokenQuestion;
}

async function api(method, path, options = {}) {
  const { body, etag, key } = options;
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (etag) headers["If-Match"] = etag;
  if (key) headers["Idempotency-Key"] = key;
  const sent = token;
  if (sent) headers.Authorization = `Bearer ${sent}`;
  let answer, json;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    // A proxy that misses the server answers with no JSON.
    json = JSON.parse(await answer.text() || "{}");
  } catch {
    setOnline(false);
    throw failure(0);
  }
  setOnline(true);
  const reason = json.error ?? answer.status;
  if (answer.status === 401) {
    if (token === sent) await askForToken(reason);
    return api(method, path, options);
  }
  if (!answer.ok) throw failure(answer.status, reason);
  return { ...json, etag: answer.headers.get("ETag") };
}

// By the body: the key of what was sent and not answered. It is sent again under the same key, so that it is not there twice.
let keys = {};

async function create(body) {
  const sent = JSON.stringify(body);
  keys[sent] ??= crypto.getRandomValues(new Uint32Array(4)).join("-");
  saveDraft();
  const answer = await api("POST", "/api/todos", { body, key: keys[sent] });
  delete keys[sent];
  saveDraft();
  return answer;
}

const pathOf = (id) => `/api/todos/${id}`;

// The banner tells that the server is away; everything else is told where it happens.
function tell(error, show = notify) {
  if (error.status) show(named("failed", error.message));
  else if (error.status !== 0) throw error;
}

let online = true;
let retry;

function setOnline(now) {
  if (now === online) return;
  online = now;
  $("#offline").hidden = online;
  clearInterval(retry);
  if (online) {
    say(text.online);
    refresh();
    showServer();
    follow();
  } else {
    $("#server").classList.add("off");
    $("#server").replaceChildren(span(text.away));
    retry = setInterval(showServer, RETRY_PERIOD_MS);
  }
}

function span(content) {
  const element = document.createElement("span");
  element.textContent = content;
  return element;
}

// Go's duration text, in its largest unit but not in less than seconds.
function duration(go) {
  const [, number, mark] = /^([\d.]+)([^\d.]+)/.exec(go);
  const unit = { h: "hour", m: "minute", s: "second" }[mark];
  return new Intl.NumberFormat(language, { style: "unit", unit: unit ?? "second", unitDisplay: "short" }).format(unit ? Math.floor(number) : 0);
}

async function showServer() {
  try {
    const info = await api("GET", "/");
    const facts = [text[info.store] ?? info.store, `${text.up} ${duration(info.uptime)}`];
    $("#server").classList.remove("off");
    $("#server").replaceChildren(...facts.map(span));
  } catch (error) {
    tell(error, () => $("#server").replaceChildren());
  }
}

// --- The list -------------------------------------------------------------

let todos = [];
let total = 0;
let completed = 0;
// Rises with everything that makes an answer under way out of date.
let version = 0;
let loading = 0;
const rows = new Map();
const editors = new Map();

const filter = () => $("#filter :checked").value;
const search = () => $("#search").value.trim();

function query(offset) {
  const parameters = new URLSearchParams({ sort: "-id", limit: PAGE_SIZE, offset });
  if (filter()) parameters.set("completed", filter());
  if (search()) parameters.set("q", search());
  return `/api/todos?${parameters}`;
}

// Reads the list again, as much of it as is shown.
async function refresh(wanted = Math.max(todos.length, PAGE_SIZE)) {
  const mine = ++version;
  loading += 1;
  try {
    const found = [];
    let page;
    do {
      page = await api("GET", query(found.length));
      if (mine !== version) return;
      found.push(...page.todos);
    } while (page.todos.length && found.length < Math.min(wanted, page.total));
    // Todos that came or went between two pages may be in both.
    todos = [...new Map(found.map((todo) => [todo.id, todo])).values()];
    total = page.total;
    show();
    await count();
  } catch (error) {
    if (mine === version) tell(error);
  } finally {
    loading -= 1;
  }
}

async function count() {
  const mine = version;
  const [done, open] = await Promise.all([true, false].map((value) => api("GET", `/api/todos?completed=${value}&limit=1`)));
  if (mine !== version) return;
  completed = done.total;
  [done.total + open.total, open.total, done.total].forEach((number, index) => {
    $$("#filter b")[index].textContent = number.toLocaleString(language);
  });
  $("#clear").hidden = !completed;
  showEmptiness(done.total + open.total);
}

function showEmptiness(all) {
  $("#empty").hidden = list.children.length > 0;
  $("#empty").textContent = all ? text.noneHere : text.none;
}

// After a change that was made here: what is shown is changed likewise, without reading it again.
function settle() {
  show();
  if (loading) return refresh();
  version += 1;
  return count().catch(tell);
}

function put(todo) {
  const index = todos.findIndex((known) => known.id === todo.id);
  if (index < 0) return;
  if (filter() && filter() !== String(todo.completed)) {
    todos.splice(index, 1);
    total -= 1;
  } else todos[index] = todo;
}

function drop(id) {
  const before = todos.length;
  todos = todos.filter((todo) => todo.id !== id);
  total -= before - todos.length;
}

function show() {
  // What is being edited stays, whatever the list says.
  const ids = new Set(todos.map((todo) => todo.id));
  const kept = [...editors.values()].map((editor) => editor.todo).filter((todo) => !ids.has(todo.id));
  const all = [...kept, ...todos].sort((one, other) => other.id - one.id);
  const shown = new Set(all.map((todo) => todo.id));
  for (const [id, row] of rows) {
    if (shown.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  // Rows that are in place are not touched: moving one would take the focus from it.
  let place = list.firstElementChild;
  for (const todo of all) {
    const row = rowOf(todo);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  $("#shown").textContent = all.length ? named("shown", `${todos.length} / ${Math.max(total, todos.length)}`) : "";
  $("#more").hidden = todos.length >= total;
  if (all.length) $("#empty").hidden = true;
}

function rowOf(todo) {
  let row = rows.get(todo.id);
  if (!row) {
    row = copyOf("#todo");
    row.dataset.id = todo.id;
    $("input", row).id = $("label", row).htmlFor = `todo-${todo.id}`;
    rows.set(todo.id, row);
  }
  // What is as it was is not touched either: it may be selected, or a click on it may be under way.
  if (!editors.has(todo.id) && !(row.todo && same(row.todo, todo))) fill(row, todo);
  return row;
}

function fill(row, todo) {
  row.todo = todo;
  $("input", row).checked = todo.completed;
  $("label", row).textContent = todo.title;
  $(".text p", row).textContent = todo.description;
  $("time", row).dateTime = todo.created_at;
  $("time", row).textContent = dates.format(new Date(todo.created_at));
  $(".edit", row).setAttribute("aria-label", named("edit", todo.title));
  $(".delete", row).setAttribute("aria-label", named("delete", todo.title));
}

// The same control of the row there, or the title of a new todo if there is none.
function focusNear(index, selector) {
  const row = list.children[Math.min(index, list.children.length - 1)];
  (row ? $(selector, row) ?? $("input", row) : addForm.elements.title).focus();
}

// --- Changes --------------------------------------------------------------

const same = (one, other) => ["title", "description", "completed"].every((key) => one[key] === other[key]);

async function toggle(row) {
  const box = $("input", row);
  const index = [...list.children].indexOf(row);
  try {
    const { todo } = await api("PATCH", pathOf(row.todo.id), { body: { completed: box.checked } });
    put(todo);
    const hadFocus = row.contains(document.activeElement);
    say(named(todo.completed ? "completed" : "active", todo.title));
    const settled = settle();
    if (hadFocus && !row.isConnected) focusNear(index, "input");
    await settled;
  } catch (error) {
    box.checked = row.todo.completed;
    if (error.status === 404) vanish(row.todo);
    else tell(error);
  }
}

function vanish(todo) {
  drop(todo.id);
  notify(named("gone", todo.title));
  return settle();
}

const deleted = [];

async function remove(row) {
  const seen = row.todo;
  const index = [...list.children].indexOf(row);
  const reconsider = (todo) => {
    put(todo);
    show();
    notify(named("lookAgain", todo.title));
  };
  try {
    // Nobody deletes what they have not seen, so this asks for the present version first.
    const { todo, etag } = await api("GET", pathOf(seen.id));
    if (!same(todo, seen)) return reconsider(todo);
    await api("DELETE", pathOf(seen.id), { etag });
    deleted.push(todo);
    drop(seen.id);
    const settled = settle();
    focusNear(index, ".delete");
    showUndo();
    say(named("deleted", seen.title));
    await settled;
  } catch (error) {
    if (error.status === 404) return vanish(seen);
    if (error.status === 412) return api("GET", pathOf(seen.id)).then(({ todo }) => reconsider(todo)).catch(tell);
    tell(error);
  }
}

function showUndo() {
  const last = deleted.at(-1);
  $("#undo").hidden = !last;
  $("#undo p").textContent = last ? named("deleted", last.title) : "";
}

async function undo() {
  const lost = deleted.at(-1);
  const button = $("#undo .act");
  button.disabled = true;
  try {
    let { todo, etag } = await create({ title: lost.title, description: lost.description });
    deleted.pop();
    if (lost.completed) ({ todo } = await api("PATCH", pathOf(todo.id), { body: { completed: true }, etag }));
    say(named("added", todo.title));
    await reveal(todo);
    showUndo();
    ($(".edit", rows.get(todo.id)) ?? addForm.elements.title).focus();
  } catch (error) {
    tell(error);
  } finally {
    button.disabled = false;
  }
}

// Shows a new todo: what hides it is switched off.
async function reveal(todo) {
  // One that is there was made before its answer was lost.
  if (filter() && filter() !== String(todo.completed) || search() || rows.has(todo.id)) {
    $("#filter input").checked = true;
    $("#search").value = "";
    await refresh(PAGE_SIZE);
  } else {
    // The server may have told of it before.
    if (!todos.some(({ id }) => id === todo.id)) {
      todos.unshift(todo);
      total += 1;
    }
    await settle();
  }
}

const fields = (form) => ({ title: form.elements.title.value, description: form.elements.description.value });

// Runs one request of a form. A request that got no answer is not sent again by itself: a change may have been carried out.
async function submit(form, request) {
  const error = $(".error:not(dialog *)", form);
  const button = $(".primary", form);
  if (button.disabled) return;
  button.disabled = true;
  error.textContent = "";
  try {
    await request();
  } catch (problem) {
    tell(problem, (message) => { error.textContent = message; });
    if (problem.status === 0) error.textContent = text.offline;
  } finally {
    button.disabled = false;
  }
}

function add() {
  return submit(addForm, async () => {
    const typed = fields(addForm);
    const { todo } = await create(typed);
    // Who typed on meanwhile keeps that.
    for (const [name, value] of Object.entries(typed)) {
      if (addForm.elements[name].value === value) addForm.elements[name].value = "";
    }
    saveDraft();
    focusTitle();
    say(named("added", todo.title));
    await reveal(todo);
  });
}

// --- Editing --------------------------------------------------------------

async function edit(row) {
  const { id, title } = row.todo;
  try {
    const { todo, etag } = await api("GET", pathOf(id));
    put(todo);
    openEditor(todo, etag);
    show();
    $("input", editors.get(id).form).focus();
  } catch (error) {
    if (error.status === 404) vanish({ id, title });
    else tell(error);
  }
}

function openEditor(todo, etag, typed = todo) {
  if (editors.has(todo.id)) return;
  const form = copyOf("#editor");
  const editor = { todo, etag, form };
  form.setAttribute("aria-label", named("edit", todo.title));
  form.elements.title.value = typed.title;
  form.elements.description.value = typed.description;
  on(form, "submit", (event) => {
    event.preventDefault();
    save(editor);
  });
  on($(".cancel", form), "click", () => cancel(editor));
  on($(".keep", form), "click", () => save(editor, editor.theirs));
  on($(".take", form), "click", () => {
    put(editor.theirs.todo);
    close(editor, editor.theirs.todo);
  });
  on($(".again", form), "click", () => submit(form, async () => {
    const { todo: copy } = await create(fields(form));
    close(editor, null);
    await reveal(copy);
    say(named("added", copy.title));
  }));
  const row = rowOf(todo);
  editors.set(todo.id, editor);
  row.replaceChildren(form);
}

function close(editor, todo) {
  const { id } = editor.todo;
  const index = [...list.children].indexOf(rows.get(id));
  editors.delete(id);
  rows.get(id).remove();
  rows.delete(id);
  saveDraft();
  if (!todo) drop(id);
  const settled = settle();
  if (rows.has(id)) $(".edit", rows.get(id)).focus();
  else focusNear(index, ".edit");
  return settled;
}

const isChanged = ({ todo, form }) => todo.title !== fields(form).title || todo.description !== fields(form).description;

async function cancel(editor) {
  if (isChanged(editor) && !(await ask(text.discardQuestion, text.discard))) return;
  await close(editor, editor.todo);
  refresh();
}

function save(editor, over = editor) {
  const { form, todo: { id } } = editor;
  return submit(form, async () => {
    try {
      const { todo } = await api("PATCH", pathOf(id), { body: fields(form), etag: over.etag });
      put(todo);
      await close(editor, todo);
      say(named("saved", todo.title));
    } catch (error) {
      if (error.status === 412) editor.theirs = await api("GET", pathOf(id)).catch(gone(editor));
      else gone(editor)(error);
      showTheirs(editor);
    }
  });
}

const gone = ({ form }) => (error) => {
  if (error.status !== 404) throw error;
  $(".error", form).textContent = text.gone;
  $(".again", form).hidden = false;
};

function showTheirs({ form, theirs }) {
  const box = $(".theirs", form);
  box.hidden = !theirs;
  if (!theirs) return;
  $("strong", box).textContent = theirs.todo.title;
  $("blockquote p", box).textContent = theirs.todo.description;
  $("small", box).textContent = theirs.todo.completed ? text.completed : text.active;
  box.focus();
  say(`${text.conflict}. ${text.conflictWhy}`);
}

// --- What others change ---------------------------------------------------

let events;
let lastEvent = "";
let heard;
let news;

// Reads the list again soon, once for all that happens until then.
function readSoon() {
  news ??= setTimeout(() => {
    news = null;
    refresh();
  }, NEWS_DELAY_MS * (1 + Math.random()));
}

function hear(event) {
  const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(event)?.[1];
  lastEvent = field("id") ?? lastEvent;
  if (!field("event")) return;
  const { todo } = JSON.parse(field("data"));
  // What was changed here is shown already.
  if (!todo || !todos.some((known) => known.id === todo.id && same(known, todo))) readSoon();
}

// An EventSource would send no token, and give up at the first error. In a hidden tab nobody looks, and a browser has few
// connections for each server.
async function follow() {
  if (events || document.hidden || !online) return;
  const mine = events = new AbortController();
  heard = Date.now();
  let status;
  try {
    const headers = { "Last-Event-ID": lastEvent };
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch("/api/todos/events", { headers, cache: "no-store", signal: mine.signal });
    status = answer.status;
    if (answer.ok) {
      // What was changed since the list was read.
      if (!lastEvent) readSoon();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let part; !(part = await reader.read()).done;) {
        heard = Date.now();
        const blocks = (rest + part.value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach(hear);
      }
    }
  } catch { /* it ends here as well */ }
  if (events !== mine) return;
  events = null;
  // Who is refused asks again with the next look at the server. Is it the server that is away, or only this connection?
  if (status >= 400) return;
  showServer();
  setTimeout(follow, RETRY_PERIOD_MS);
}

function stopFollowing() {
  events?.abort();
  events = null;
}

// --- Input outlives a reload ----------------------------------------------

function saveDraft() {
  const edits = [...editors.values()].filter(isChanged).map(({ todo, etag, form }) => ({ todo, etag, typed: fields(form) }));
  const typed = fields(addForm);
  const isEmpty = !typed.title && !typed.description && !edits.length;
  remember("draft", isEmpty ? "" : JSON.stringify({ typed, edits, keys }));
}

function restoreDraft() {
  const draft = JSON.parse(recall("draft") ?? "null");
  if (!draft) return;
  keys = draft.keys ?? {};
  for (const [name, value] of Object.entries(draft.typed)) addForm.elements[name].value = value;
  // With the entity tag from before: what was changed elsewhere meanwhile is noticed.
  for (const { todo, etag, typed } of draft.edits) openEditor(todo, etag, typed);
  show();
}

// --- Events ---------------------------------------------------------------

const rowAt = (element) => element.closest("li");

on(list, "click", (event) => {
  const button = event.target.closest(".actions button");
  if (button) (button.className === "edit" ? edit : remove)(rowAt(button));
});

on(list, "change", (event) => {
  if (event.target.type === "checkbox") toggle(rowAt(event.target));
});

// These keys work within the list only, so they clash with no shortcut of a browser or a screen reader.
on(list, "keydown", (event) => {
  const { key, target } = event;
  const row = rowAt(target);
  const editor = editors.get(row.todo.id);
  if (event.isComposing || event.altKey || event.metaKey) return;
  if (editor) {
    if (key !== "Escape") return;
    cancel(editor);
  } else if (key === "F2") edit(row);
  else if (key === "Delete") remove(row);
  else {
    const all = [...list.children];
    const index = all.indexOf(row);
    const goal = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: all.length - 1 }[key];
    if (goal === undefined) return;
    focusNear(Math.max(goal, 0), target.className ? `.${target.className}` : "input");
  }
  event.preventDefault();
});

on(document, "keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) event.target.form?.requestSubmit();
});

on(addForm, "submit", (event) => {
  event.preventDefault();
  add();
});
on(document, "input", (event) => {
  if (!event.target.closest("#add, .editor")) return;
  // Who types the same again means another todo.
  keys = {};
  saveDraft();
});

async function select() {
  await refresh(PAGE_SIZE);
  say($("#shown").textContent || $("#empty").textContent);
}

let pause;
on($("#search"), "input", () => {
  clearTimeout(pause);
  pause = setTimeout(select, SEARCH_DELAY_MS);
});
on($("#filter"), "change", select);

on($("#more"), "click", async () => {
  const before = list.children.length;
  await refresh(todos.length + PAGE_SIZE);
  focusNear(before, "input");
});

on($("#clear"), "click", async () => {
  if (!(await ask(`${text.clearQuestion} (${completed})`, text.delete))) return;
  try {
    const { deleted: number } = await api("DELETE", "/api/todos?completed=true");
    await refresh();
    notify(`${text.delete}: ${number}`);
    focusTitle();
  } catch (error) {
    tell(error);
  }
});

on($("#retry"), "click", showServer);
on($("#undo .act"), "click", undo);
on($("#toasts"), "click", ({ target }) => {
  if (target.className !== "close") return;
  if (target.closest("#undo")) deleted.length = 0;
  target.parentElement.hidden = true;
  focusTitle();
});
on($("#access .cancel"), "click", () => $("#access").close(""));
setInterval(() => {
  if (document.hidden || !online) return;
  showServer();
  if (Date.now() - heard > SILENCE_MS) stopFollowing();
  if (events) return;
  refresh();
  follow();
}, STATE_PERIOD_MS);
// Who comes back sees what happened meanwhile.
on(document, "visibilitychange", () => {
  if (document.hidden) return stopFollowing();
  refresh();
  follow();
});

// --- Start ----------------------------------------------------------------

document.documentElement.lang = language;
document.title = text.heading;
translate(document);
restoreDraft();
showServer();
refresh();
follow();
