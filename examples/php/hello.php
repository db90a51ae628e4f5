<?php
// A plain .php file; needs the [[apps]] table of examples/std-fpm.toml.
header('Content-Type: text/plain; charset=utf-8');
echo 'Hello from ', basename(__FILE__), ', called as ', $_SERVER['REQUEST_METHOD'], ".\n";
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    echo 'You sent ', strlen(file_get_contents('php://input')), " bytes.\n";
}
