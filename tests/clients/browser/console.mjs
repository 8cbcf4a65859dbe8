// Walks through the console in a real Chromium and prints what it saw, as one line of JSON.
//
//   node console.mjs --chromium PATH --url ORIGIN --user NAME --password SECRET --account ID [--shots DIR]
//
// Every page is opened twice: with scripts switched off, where all of it has to work, and with scripts
// on, where nothing that was typed into a name may run.

import http from 'node:http';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const text = { type: 'string' };
const options = { chromium: text, url: text, user: text, password: text, account: text, shots: text };
const { values: asked } = parseArgs({ options });

const seen = { pages: [], problems: [], numbers: [], framed: null, crossSite: null };
const browser = await chromium.launch({ executablePath: asked.chromium, args: ['--no-sandbox'] });

async function signIn(context) {
  const page = await context.newPage();
  page.on('dialog', (dialog) => {
    seen.problems.push(`a script ran: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on('pageerror', (error) => seen.problems.push(`${error}`));
  page.on('console', (line) => {
    if (line.type() === 'error') seen.problems.push(`${page.url()}: ${line.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(asked.url)) seen.problems.push(`loads ${request.url()}`);
  });
  await page.goto(`${asked.url}/console/accounts`);
  await page.fill('#user', asked.user);
  await page.fill('#password', asked.password);
  await page.click('button[type=submit]');
  await page.waitForURL(`${asked.url}/console/accounts`);
  return page;
}

async function walk(page, name) {
  const account = `/console/accounts/${asked.account}`;
  const sections = ['', '/accounts', '/calls', '/reports', '/prices', '/findings', '/audit'];
  for (const path of [...sections.map((section) => `/console${section}`), account]) {
    const reply = await page.goto(`${asked.url}${path}`);
    const title = await page.locator('h1').textContent();
    seen.pages.push({ name, path, status: reply.status(), title });
    if (asked.shots) {
      const file = `${name}${path.replaceAll('/', '-').slice(0, 24)}.png`;
      await page.screenshot({ path: `${asked.shots}/${file}`, fullPage: true });
    }
  }
}

for (const [name, settings] of [
  ['plain', { javaScriptEnabled: false }],
  ['dark', { colorScheme: 'dark' }],
  ['chinese', { locale: 'zh-CN' }],
  ['narrow', { viewport: { width: 360, height: 740 } }],
]) {
  const context = await browser.newContext(settings);
  const page = await signIn(context);
  await walk(page, name);
  if (name === 'dark') {
    await page.goto(`${asked.url}/console/accounts`);
    const align = (cell) => getComputedStyle(cell).textAlign;
    seen.numbers = await page.locator('td.number').evaluateAll((cells) =>
      cells.map((cell) => getComputedStyle(cell).textAlign));
    seen.numberHead = await page.locator('th.number').first().evaluate(align);
  }
  if (name === 'narrow') {
    seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  }
  if (name === 'plain') {
    await page.click('header button[type=submit]');
    seen.afterSignOut = new URL(page.url()).pathname;
  }
  await context.close();
}

// Another site: it shows the console in a frame, and sends a form there in the name of who looks.
const context = await browser.newContext();
await signIn(context);
const evil = http.createServer((_, reply) => {
  reply.setHeader('content-type', 'text/html');
  reply.end(`<iframe src="${asked.url}/console"></iframe>
    <form method="post" action="${asked.url}/console/logout"><button>win</button></form>`);
});
await new Promise((ready) => evil.listen(0, '127.0.0.1', ready));
const page = await context.newPage();
const site = `http://localhost:${evil.address().port}`;
const framed = page.waitForEvent('console', (line) => /frame/i.test(line.text()));
await page.goto(site);
seen.framed = (await framed).text();
const [reply] = await Promise.all([page.waitForNavigation(), page.click('button')]);
seen.crossSite = { status: reply.status(), path: new URL(page.url()).pathname };
const back = await context.newPage();
seen.stillSignedIn = (await back.goto(`${asked.url}/console`)).status() === 200
  && new URL(back.url()).pathname === '/console';
evil.close();
await browser.close();
process.stdout.write(`${JSON.stringify(seen)}\n`);
