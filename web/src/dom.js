/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Sets a text only when it differs, so that nothing is laid out or read aloud for nothing.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets a `data-` attribute only when it differs.
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
export function mark(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}
