// v-field="value": a text or number field that shows a value, where plain `:value` takes half typed text away whenever
// anything on the page changes. While a field has the focus, only another value replaces what is in it.
window.dfqsamFields = {
  install(app) {
    app.directive("field", {
      mounted: (field, { value }) => (field.value = value),
      updated: (field, { value, oldValue }) => {
        if (value !== oldValue || field !== document.activeElement) field.value = value;
      },
    });
  },
};
