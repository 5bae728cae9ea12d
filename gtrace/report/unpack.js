// Bytes from the text that a page holds them as, and the plotting library from its own.

/** The value of each character of base 91: all that ASCII can show but a space, `"`, `&` and `<`. */
const DIGITS = digitValues();
const BASE = 91;
const PAIR_BITS = 13;
const DIGIT_BITS = 6;

function digitValues() {
  const values = new Uint8Array(128);
  let value = 0;
  for (let code = 0x21; code < 0x7f; code += 1) if (!'"&<'.includes(String.fromCharCode(code))) { values[code] = value; value += 1; }
  return values;
}

/**
 * Bytes from text: 13 bits in two characters, the lowest first; a rest of up to 6 bits in one.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromBase91(text) {
  const pairs = text.length >> 1;
  const bytes = new Uint8Array((pairs * PAIR_BITS + (text.length & 1) * DIGIT_BITS) >> 3);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i += 2) {
    const second = i + 1 < text.length ? DIGITS[text.charCodeAt(i + 1)] : 0;
    held |= (DIGITS[text.charCodeAt(i)] + second * BASE) << bits;
    for (bits += PAIR_BITS; bits >= 8; bits -= 8) { bytes[at] = held; at += 1; held >>>= 8; }
  }
  return bytes;
}

/** @param {Uint8Array} bytes deflated @returns {Promise<Uint8Array>} */
export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Runs plotly, which stands deflated in the page, and is not parsed before it is wanted.
 * @param {string} text
 * @returns {Promise<object>}
 */
export async function loadPlotly(text) {
  const script = document.createElement('script');
  script.textContent = new TextDecoder().decode(await inflate(fromBase91(text)));
  document.head.append(script);
  return window.Plotly;
}
