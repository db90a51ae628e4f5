#!/usr/bin/php-cgi
<?php
// An executable file with this first line needs no configuration at all.
header('Content-Type: text/plain; charset=utf-8');
echo 'Hello from PHP ', PHP_VERSION, ", process ", getmypid(), ".\n";
