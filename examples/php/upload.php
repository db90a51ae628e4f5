<?php
// Stores the request's body, a file of 4 MiB at most. UPLOAD_FOLDER=… says where.
// Try it with: curl -H 'Content-Type: application/octet-stream' --data-binary @photo.jpg http://localhost/upload.php
const MAX_BYTES = 4 * 1024 * 1024;

/** 201 when all of the body is in the file; else the status that says why not. */
function store(string $path): int
{
    $file = fopen($path, 'xb');
    if (!$file) {
        return 500;
    }
    $total = stream_copy_to_stream(fopen('php://input', 'rb'), $file, MAX_BYTES + 1);
    if (!fclose($file) || $total === false) {
        return 500;
    }
    return $total > MAX_BYTES ? 413 : 201;
}

$folder = getenv('UPLOAD_FOLDER');
// The name is ours: one that a client chooses may hold anything.
$name = 'upload-' . bin2hex(random_bytes(8));
$status = $folder ? store("$folder/$name") : 500;
if ($status !== 201 && $folder) {
    @unlink("$folder/$name");
}
http_response_code($status);
header('Content-Type: text/plain; charset=utf-8');
echo $status === 201 ? $name : 'Nothing was stored.', "\n";
