#!/usr/bin/ruby
# Stores the request's body, a file of 4 MiB at most. Needs ruby-fcgi. UPLOAD_FOLDER=… says where.
# Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
require 'fcgi'
require 'securerandom'

MAX_BYTES = 4 * 1024 * 1024
FOLDER = ENV['UPLOAD_FOLDER']

# The new file's name. It is ours: one that a client chooses may hold anything.
def store(body)
  name = "upload-#{SecureRandom.hex(8)}"
  File.open(File.join(FOLDER, name), File::WRONLY | File::CREAT | File::EXCL) do |file|
    file.binmode
    IO.copy_stream(body, file)
  end
  name
end

def answer(body)
  # The library has read all of the body before it hands a request on.
  return 413, 'Nothing was stored.' if body.size > MAX_BYTES

  [201, store(body)]
rescue SystemCallError, TypeError => error
  warn error.message
  [500, 'Nothing was stored.']
end

FCGI.each do |request|
  status, text = answer(request.in)
  request.out.print "Status: #{status}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n#{text}\n"
  request.finish
end
