// What the charts and the table of the page share. What the page says without scripts stays as it is.
//
// Texts of the repository get into the document as text only (`append` of strings, `textContent`, `setAttribute` of names that
// stand here), never as markup; a test holds these files to that.
"use strict";
const page = (() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);

  const find = (id) => document.getElementById(id);
  const number = (n) => n.toLocaleString("en-US");
  const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
  const percent = (part) => {
    const share = 100 * part;
    return share > 0 && share < 0.1 ? "<0.1%" : `${share.toFixed(1)}%`;
  };

  /** An element with attributes and children; a child is a node or a text. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null && value !== false) {
        element.setAttribute(name, value === true ? "" : String(value));
      }
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  function swatch(key) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 10 10");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", key);
    rect.setAttribute("width", "10");
    rect.setAttribute("height", "10");
    svg.append(rect);
    return svg;
  }

  /** Where the changes with these properties are listed. */
  function address(parts) {
    const pairs = Object.entries(parts).filter(([, value]) => value !== "" && value !== undefined);
    const text = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    return text === "" ? "#changes" : `#changes?${text}`;
  }

  return { data, find, make, number, plural, percent, swatch, address };
})();
