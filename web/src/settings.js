import { make, write } from './dom.js';

/**
 * @typedef {object} Control as `GET /api/v1/cameras/NAME/controls` tells
 * @property {string} name
 * @property {'bool' | 'int' | 'float' | 'menu'} kind
 * @property {boolean | number | string | null} value
 * @property {number | null} minimum
 * @property {number | null} maximum
 * @property {number | null} step
 * @property {{ name: string }[]} items
 * @property {boolean} changeable
 * @property {string | null} reason why it is not
 */

/** A slider has no more steps than people can hit; what has more gets a field for numbers. */
const SLIDER_STEPS = 10_000;
/** Of a control that takes any number. */
const FLOAT_STEPS = 200;

/** What can be set in a camera, beside its large picture. */
export class Settings {
  #url;
  #camera;
  #form = make('form', { class: 'settings-form' });
  #said = make('p', { class: 'note-text', role: 'status' });
  #reset = make('button', { type: 'button' }, 'Back to the camera’s own');
  element = make('aside', { class: 'details settings', 'aria-label': 'Camera settings' }, this.#form, this.#said, this.#reset);
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /** @param {string} camera its name */
  constructor(camera) {
    this.#camera = camera;
    this.#url = new URL(`api/v1/cameras/${encodeURIComponent(camera)}/controls`, document.baseURI);
    this.element.hidden = true;
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#reset.addEventListener('click', () => this.#set(Object.fromEntries([...this.#rows.keys()].map((name) => [name, null]))));
  }

  /** Asks what there is; false if the camera has nothing to be set. */
  async look() {
    const answer = await fetch(this.#url).catch(() => null);
    if (!answer?.ok) return false;
    const { controls, online } = await answer.json();
    this.#show(controls);
    write(this.#said, online ? '' : 'The camera is away. What you set is kept, and set when it is back.');
    return controls.length > 0;
  }

  /** @param {Control[]} controls */
  #show(controls) {
    if (controls.map((control) => control.name).join() !== [...this.#rows.keys()].join()) {
      this.#rows = new Map(controls.map((control) => [control.name, new Row(this.#camera, control, (value) => this.#set({ [control.name]: value }))]));
      this.#form.replaceChildren(...[...this.#rows.values()].map((row) => row.element));
    }
    controls.forEach((control) => this.#rows.get(control.name)?.show(control));
  }

  /** @param {Record<string, unknown>} wishes */
  async #set(wishes) {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(this.#url, { method: 'PATCH', headers, body: JSON.stringify(possible(wishes, this.#rows)) }).catch(() => null);
    const content = await answer?.json().catch(() => null);
    if (!answer || !content) {
      write(this.#said, 'The server does not answer; nothing is set.');
      return;
    }
    if (answer.ok) this.#show(content.controls);
    else await this.look();
    const refused = content.error && `${content.error.message}: ${content.error.hint}`;
    write(this.#said, refused ?? (answer.status === 202 ? 'Kept, and set when the camera is back.' : 'Set.'));
  }
}

/**
 * Going back to what a camera is by itself is only for what it tells that of.
 * @param {Record<string, unknown>} wishes
 * @param {Map<string, Row>} rows
 */
function possible(wishes, rows) {
  return Object.fromEntries(Object.entries(wishes).filter(([name, wish]) => wish !== null || rows.get(name)?.hasDefault));
}

/** One control. */
class Row {
  #input;
  #value = make('output');
  #why = make('small');
  element;
  hasDefault = false;

  /**
   * @param {string} camera several have settings in one page
   * @param {Control} control
   * @param {(value: boolean | number | string) => void} set
   */
  constructor(camera, control, set) {
    const id = `set-${camera}-${control.name}`;
    this.#input = field(control);
    this.#input.id = id;
    this.#why.id = `${id}-why`;
    this.#input.setAttribute('aria-describedby', this.#why.id);
    const label = make('label', { for: id }, control.name.replaceAll('_', ' '));
    this.element = make('div', { class: 'setting' }, label, this.#input, this.#value, this.#why);
    this.#input.addEventListener('input', () => this.#tell());
    this.#input.addEventListener('change', () => set(this.#read(control.kind)));
  }

  /** @param {Control & { default?: unknown }} control */
  show(control) {
    this.hasDefault = control.default != null && control.changeable;
    this.#input.disabled = !control.changeable;
    write(this.#why, control.reason ?? '');
    if (this.#input instanceof HTMLInputElement && this.#input.type === 'checkbox') {
      this.#input.checked = control.value === true;
      this.#input.indeterminate = control.value === null;
    } else this.#input.value = String(control.value ?? '');
    this.#tell();
    if (control.value === null) write(this.#value, '');
  }

  #tell() {
    const slider = this.#input instanceof HTMLInputElement && this.#input.type === 'range';
    write(this.#value, slider ? String(Math.round(Number(this.#input.value) * 1000) / 1000) : '');
  }

  /** @param {Control['kind']} kind */
  #read(kind) {
    if (kind === 'menu') return this.#input.value;
    return kind === 'bool' ? /** @type {HTMLInputElement} */ (this.#input).checked : Number(this.#input.value);
  }
}

/**
 * @param {Control} control
 * @returns {HTMLInputElement | HTMLSelectElement}
 */
function field({ kind, minimum, maximum, step, items }) {
  if (kind === 'bool') return make('input', { type: 'checkbox' });
  if (kind === 'menu') return make('select', {}, ...items.map(({ name }) => make('option', { value: name }, name)));
  const [least, most] = [minimum ?? 0, maximum ?? 0];
  const steps = kind === 'float' ? FLOAT_STEPS : (most - least) / (step ?? 1);
  const input = make('input', { type: steps > SLIDER_STEPS ? 'number' : 'range', min: String(least), max: String(most) });
  input.step = kind === 'float' ? 'any' : String(step ?? 1);
  return input;
}
