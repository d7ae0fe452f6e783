// The page goes by the admin's theme: light, dark, or whichever the system has.
const SYSTEM = window.matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return JSON.parse(window.localStorage.getItem("_x_adminTheme") || '"auto"');
  } catch {
    return "auto"; // no storage here, or something else is kept under that name
  }
}

function paint() {
  const theme = chosen();
  const isDark = theme === "dark" || (theme !== "light" && SYSTEM.matches);
  document.documentElement.classList.toggle("dark-mode", isDark);
}

SYSTEM.addEventListener("change", paint);
window.addEventListener("storage", paint);
paint();
