// v-field="value": a field, slider, choice or tick that shows a value. Plain `:value` takes what a person is putting in
// away whenever anything on the page changes, and puts older values back while the viewer has not answered yet.
window.dfqsamFields = {
  settle: () => {},
  install(app) {
    const values = new Map(), halfTyped = new Set();
    const show = (field, value) => {
      values.set(field, value);
      if (field.type === "checkbox") field.checked = value;
      else if (field.value !== String(value)) field.value = value;
    };
    const follow = (field, value) => {
      const waits = halfTyped.has(field) || window.dfqsamOrder.unanswered();
      waits ? values.set(field, value) : show(field, value);
    };
    // When the page has been drawn with the present values.
    const settle = () => window.Vue.nextTick(() => values.forEach((value, field) => follow(field, value)));
    window.dfqsamFields.settle = settle;
    app.directive("field", {
      mounted(field, { value }) {
        show(field, value);
        field.addEventListener("input", () => halfTyped.add(field));
        for (const kind of ["change", "blur"]) field.addEventListener(kind, () => halfTyped.delete(field) && settle());
      },
      updated: (field, { value }) => follow(field, value),
      unmounted: (field) => values.delete(field) && halfTyped.delete(field),
    });
  },
};
