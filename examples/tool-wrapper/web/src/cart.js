// What somebody is about to buy: how many of which product.

/** The money of `cents` as it is read in the language of the page. */
function formatMoney(cents, currency) {
  const money = new Intl.NumberFormat(document.documentElement.lang || "en", {
    style: "currency",
    currency: currency,
  });
  return money.format(cents / 100);
}

class Cart {
  constructor(storage) {
    this.storage = storage;
    this.lines = new Map(JSON.parse(storage.getItem("cart") || "[]"));
    this.listeners = [];
  }

  /** Calls `listener` after every change. */
  onChange(listener) {
    this.listeners.push(listener);
  }

  add(product, count = 1) {
    const line = this.lines.get(product.id) || { product, count: 0 };
    line.count = Math.min(line.count + count, product.stock);
    if (line.count > 0) {
      this.lines.set(product.id, line);
    }
    this.changed();
  }

  remove(id) {
    this.lines.delete(id);
    this.changed();
  }

  count() {
    let count = 0;
    for (const line of this.lines.values()) {
      count += line.count;
    }
    return count;
  }

  /** The sums in cents, one for each currency. */
  totals() {
    const totals = new Map();
    for (const { product, count } of this.lines.values()) {
      const { currency, cents } = product.price;
      totals.set(currency, (totals.get(currency) || 0) + Number(cents) * count);
    }
    return totals;
  }

  changed() {
    this.storage.setItem("cart", JSON.stringify([...this.lines]));
    for (const listener of this.listeners) {
      listener(this);
    }
  }
}
