"""The report and the runbook in a real browser: narrow and wide, light and dark, with the keyboard, on paper."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from bkpc_compiler.backends.report import report_html
from bkpc_compiler.backends.runbook import runbook_html
from bkpc_compiler.backends.runbook.pages import pages_of
from tests.compiler.backends.made import made_plan
from tests.compiler.backends.test_large_report import FEW, planned
from tests.compiler.backends.test_pages import GROWTH, evil_plan

WIDTHS = (375, 1440)
MOST_PIXELS = 30_000
"""Of a large report, as it is opened: it was ten times that."""
SECTIONS = ("promises", "estate", "day", "recoveries", "growth", "assumptions")
_WIDER = """
  return [...document.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    const placed = getComputedStyle(one).position === 'absolute';
    return box.width && box.right > innerWidth + 1 && !placed && !one.closest('svg');
  }).map(one => one.outerHTML.slice(0, 120))
"""
_CONTRAST = """
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const light = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(one => one / 255)
      .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'white';
  };
  return [...document.querySelectorAll('body *')]
    .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(one => !one.closest('svg, .skip'))
    .map(one => {
      const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), one.outerHTML.slice(0, 100)];
    }).filter(([ratio]) => ratio < 4.5)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Debian's Chromium with its driver; a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "apt-get install chromium"
    assert driver, "apt-get install chromium-driver"
    options = Options()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = Chrome(options=options, service=Service(driver))
    try:
        yield running
    finally:
        running.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages to look at, as URLs."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "report": report_html(made_plan(), GROWTH),
        "runbook": runbook_html(made_plan()),
        "hostile report": report_html(evil_plan()),
        "hostile runbook": runbook_html(evil_plan()),
        "large report": report_html(planned(FEW)),
        "runbook index": dict(pages_of(planned(FEW), "html"))["index.html"],
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


def show(browser: Chrome, url: str, width: int = 1440, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # type: ignore[no-untyped-call] # what earlier pages left
    browser.get(url)


def asked(browser: Chrome, script: str) -> Any:
    return browser.execute_script(script)


def open_all(browser: Chrome) -> None:
    asked(browser, "document.querySelectorAll('details').forEach(one => { one.open = true })")


def requests(browser: Chrome) -> list[str]:
    messages = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name", ["report", "runbook", "hostile report", "hostile runbook", "large report", "runbook index"]
)
def test_nothing_is_wider_than_the_window(name: str, width: int, browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages[name], width)
    open_all(browser)
    assert asked(browser, "return innerWidth") == width
    assert asked(browser, "return document.documentElement.scrollWidth") <= width
    assert asked(browser, _WIDER) == []


def test_a_large_report_is_folded(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["large report"], 375)
    assert asked(browser, "return document.documentElement.scrollHeight") < MOST_PIXELS


@pytest.mark.parametrize("name", ["report", "runbook", "hostile report", "hostile runbook"])
def test_no_errors_and_no_requests(name: str, browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages[name])
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert [url for url in requests(browser) if not url.startswith("data:")] == [pages[name].replace(" ", "%20")]
    assert asked(browser, "return document.scripts.length") == 0


def test_a_database_is_found_by_typing(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["large report"], 375)
    rows = "[...document.querySelectorAll('#databases tbody tr')].filter(one => one.checkVisibility())"
    assert asked(browser, f"return {rows}.length") == 0
    field = browser.find_element(By.ID, "find-name")
    field.send_keys("DB1")
    assert browser.find_element(By.CSS_SELECTOR, "#find output").text == "11 found."
    assert asked(browser, f"return {rows}.map(one => one.cells[0].textContent)[0]") == "db1"
    field.send_keys("2")
    assert asked(browser, f"return {rows}.map(one => one.cells[0].textContent)") == ["db12"]
    field.send_keys(Keys.BACKSPACE * 4 + "s7" + Keys.ENTER)
    assert asked(browser, f"return {rows}.map(one => one.cells[0].textContent)") == ["db7", "db57"]
    assert asked(browser, "return document.activeElement.id") == "find-name"
    field.send_keys("7")
    assert browser.find_element(By.CSS_SELECTOR, "#find output").text == "Nothing of this name."
    field.clear()
    field.send_keys(" ")
    assert asked(browser, f"return {rows}.length") == 0
    assert asked(browser, "return document.querySelectorAll('#databases details[hidden]').length") == 0
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_runbook_of_a_database_is_found_by_typing(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["runbook index"])
    browser.find_element(By.ID, "find-name").send_keys("db57")
    links = "[...document.querySelectorAll('tbody a')].filter(one => one.checkVisibility()).map(one => one.textContent)"
    assert asked(browser, f"return {links}") == [
        "Wrong or deleted data in db57",
        "Loss of the host of db57",
        "Loss of site s7",
    ]
    browser.find_element(By.ID, "find-name").clear()
    browser.find_element(By.ID, "find-name").send_keys(" ")
    assert len(browser.find_elements(By.CSS_SELECTOR, "details[open]")) == 3


def test_without_scripts_all_are_there_to_be_found(browser: Chrome, pages: dict[str, str]) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, pages["large report"])
        assert not browser.find_element(By.ID, "find").is_displayed()
        parts = browser.find_elements(By.CSS_SELECTOR, "#databases summary")
        parts[0].click()
        assert browser.find_element(By.CSS_SELECTOR, "#databases tbody tr").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_on_paper_are_the_databases_that_are_unfolded(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["large report"])
    seen = "return document.querySelector('#databases tbody tr').checkVisibility()"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not asked(browser, seen)
        assert not browser.find_element(By.ID, "find").is_displayed()
        assert browser.find_element(By.CSS_SELECTOR, ".on-paper").is_displayed()
        asked(browser, "document.querySelector('#databases details').open = true")
        assert asked(browser, seen)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_is_seen(width: int, browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["report"], width)
    for name in SECTIONS:
        section = browser.find_element(By.ID, name)
        assert section.is_displayed()
        assert section.size["height"] > 100
    for picture in browser.find_elements(By.CSS_SELECTOR, "svg[role=img]"):
        assert picture.size["width"] > 200


def test_the_keyboard_reaches_and_opens_every_table(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["report"])
    number = len(browser.find_elements(By.TAG_NAME, "summary"))
    reached = 0
    for press in range(10 * number):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        here = browser.switch_to.active_element
        if press == 0:
            assert here.text == "Skip to the content"
        if here.tag_name == "summary":
            reached += 1
            ActionChains(browser).send_keys(Keys.ENTER).perform()
        if reached == number:
            break
    assert len(browser.find_elements(By.CSS_SELECTOR, "details[open]")) == number > 20


def test_a_bound_leads_to_its_terms(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["report"])
    link = browser.find_element(By.CSS_SELECTOR, "#promises td a")
    target = browser.find_element(By.ID, str(link.get_attribute("href")).partition("#")[2])
    assert not target.is_displayed()
    link.send_keys(Keys.ENTER)
    assert target.is_displayed()


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_promised_is_a_line_that_is_seen(width: int, browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["report"], width)
    open_all(browser)
    beside = """return [...document.querySelectorAll('#promises line.promised')].map(one =>
      one.ownerSVGElement.getBoundingClientRect().right - one.getBoundingClientRect().right)"""
    assert min(asked(browser, beside)) > 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "runbook", "large report", "runbook index"])
def test_text_can_be_read_in_both_schemes(name: str, scheme: str, browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages[name], scheme=scheme)
    open_all(browser)
    assert asked(browser, "return matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    assert asked(browser, _CONTRAST) == []


def test_what_is_folded_is_on_paper(browser: Chrome, pages: dict[str, str], tmp_path: Path) -> None:
    show(browser, pages["report"])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = asked(browser, "return [...document.querySelectorAll('details td')].every(one => one.checkVisibility())")
    assert shown
    assert not browser.find_element(By.TAG_NAME, "nav").is_displayed()
