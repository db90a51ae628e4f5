<?php
// Who answers, and what its tree of processes has in its opcode cache.
$status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
$cache = $status ? $status['opcache_statistics'] : null;
header('Content-Type: text/plain; charset=utf-8');
header('Cache-Control: no-store');
echo 'process ', getmypid(), ', one of ', getenv('PHP_FCGI_CHILDREN') ?: 1, "\n";
echo 'tree ', preg_match('/^PPid:\s+(\d+)/m', file_get_contents('/proc/self/status'), $found) ? $found[1] : '?', "\n";
echo 'path info ', $_SERVER['PATH_INFO'] ?? '', "\n";
echo 'opcode cache ', $cache ? "{$cache['num_cached_scripts']} scripts, {$cache['misses']} misses, {$cache['hits']} hits" : 'off', "\n";
