#!/usr/bin/env node
// The smallest program with node-fastcgi: npm install node-fastcgi, or Debian's package of that name.
const fastcgi = require('node-fastcgi');

let count = 0;

const server = fastcgi.createServer((request, response) => {
  count += 1;
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`Hello from Node.js! This process has answered ${count} requests.\n`);
});

// Without an address: the socket that std-fpm hands over.
server.listen();
