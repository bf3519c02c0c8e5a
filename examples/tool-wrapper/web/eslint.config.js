// Rules that find mistakes; how code looks is nobody's business here.
module.exports = [
  {
    files: ["src/**/*.js"],
    languageOptions: {
      sourceType: "script",
      globals: {
        Intl: "readonly",
        Cart: "writable",
        formatMoney: "writable",
        document: "readonly",
        fetch: "readonly",
        window: "readonly",
      },
    },
    rules: {
      "array-callback-return": "error",
      eqeqeq: "error",
      "no-cond-assign": "error",
      "no-dupe-keys": "error",
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unused-vars": ["error", { varsIgnorePattern: "^(Cart|formatMoney)$" }],
      "prefer-const": "error",
      "use-isnan": "error",
    },
  },
];
