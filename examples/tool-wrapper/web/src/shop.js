// Shows the catalogue, and keeps the cart beside it. Uses `Cart` and `formatMoney` of cart.js, which stands before it.

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function productCard(product, cart) {
  const icon = product.category.replace("CATEGORY_", "").toLowerCase();
  const isSoldOut = !product.stock;
  const button = element(
    "button",
    { type: "button", disabled: isSoldOut },
    isSoldOut ? "Sold out" : "Add to cart",
  );
  button.addEventListener("click", () => cart.add(product));
  const price = formatMoney(product.price.cents, product.price.currency);
  return element(
    "article",
    { className: "card" },
    element("img", { src: `icons/${icon}.svg`, alt: icon, width: 48, height: 48 }),
    element("h2", { className: "card-title" }, product.name),
    element("p", { className: "card-price" }, price),
    button,
  );
}

function cartLine({ product, count }, cart) {
  const button = element("button", { type: "button", className: "link" }, "remove");
  button.addEventListener("click", () => cart.remove(product.id));
  return element("li", {}, `${count} × ${product.name} `, button);
}

function showCart(cart) {
  const list = document.querySelector("#cart");
  list.replaceChildren(...[...cart.lines.values()].map((line) => cartLine(line, cart)));
  const totals = [...cart.totals()].map(([currency, cents]) => formatMoney(cents, currency));
  document.querySelector("#total").textContent = totals.join(" + ") || "nothing yet";
  document.querySelector("#count").textContent = String(cart.count());
}

async function start() {
  const answer = await fetch("catalog.json");
  if (!answer.ok) {
    throw new Error(`the catalogue cannot be had: ${answer.status}`);
  }
  const catalog = await answer.json();
  const cart = new Cart(window.localStorage);
  cart.onChange(showCart);
  document.querySelector("#title").textContent = catalog.title;
  const cards = catalog.products.map((product) => productCard(product, cart));
  document.querySelector("#products").replaceChildren(...cards);
  showCart(cart);
}

start().catch((error) => {
  document.querySelector("#title").textContent = error.message;
});
