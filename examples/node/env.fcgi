#!/usr/bin/env node
// Shows what the web server says about the request. Needs node-fastcgi.
const fastcgi = require('node-fastcgi');

const server = fastcgi.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
  for (const [name, value] of Object.entries(request.socket.params)) response.write(`${name}=${value}\n`);
  response.end();
});

server.listen();
