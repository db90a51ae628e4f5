<?php
// Shows what the web server says about the request.
header('Content-Type: text/plain; charset=utf-8');
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        echo "$name=$value\n";
    }
}
