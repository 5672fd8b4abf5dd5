// What a person asks for with keys and buttons reaches the viewer after what the mouse did before. Each picture keeps its
// mouse events in a queue until the viewer has answered the one before: on a slow computer a key overtook a click, which
// then went to another slice, or was made with another tool. trame-slicer asks for something, too, when the mouse enters
// a picture, so moves in one picture come before those in the next. Asking is over when the page shows what came of it.
window.dfqsamOrder = {
  // How much was asked for that the page does not show yet.
  unanswered: () => 0,
  install() {
    const { trame } = window, { client, trigger } = trame;
    const connection = client.getConnection(), session = connection.getSession();
    const marks = new Map(), asked = new Set();
    let count = 0;
    // Promise.withResolvers, which browsers of hospitals may not have yet.
    const later = () => {
      let resolve;
      return { promise: new Promise((done) => (resolve = done)), resolve };
    };
    const call = (name, content, ...rest) => {
      const answer = () => session.call(name, content, ...rest);
      if (name !== "trame.rca.event") return answer();
      // A key that is let go goes through the queue of each picture; one that no keyboard has marks a place in it. An
      // error would empty the queue, marks and all.
      const { type, key } = content[2];
      return type === "KeyUp" ? marks.get(key)?.() : answer().catch(() => {});
    };
    trame.client = { ...client, getConnection: () => ({ ...connection, getSession: () => ({ ...session, call }) }) };
    const afterMouse = async (send) => {
      const key = `mark ${(count += 1)}`, reached = later(), sent = later();
      let missing = document.querySelectorAll(".view [tabindex]:not(.strip)").length;
      marks.set(key, () => {
        if ((missing -= 1) === 0) reached.resolve();
        return sent.promise;
      });
      document.dispatchEvent(new KeyboardEvent("keyup", { key }));
      if (missing) await reached.promise;
      marks.delete(key);
      const answer = send();
      sent.resolve();
      return answer;
    };
    window.dfqsamOrder.unanswered = () => asked.size;
    trame.trigger = async (...words) => {
      const one = { ...later(), number: Infinity };
      asked.add(one);
      try {
        one.number = await afterMouse(() => trigger(...words));
        if (one.number > trame.state.get("answered")) await one.promise;
      } finally {
        asked.delete(one);
        window.dfqsamFields.settle();
      }
    };
    trame.state.watch(["answered"], (number) => {
      for (const one of asked) if (one.number <= number) asked.delete(one) && one.resolve();
    });
  },
};
