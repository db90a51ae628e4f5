// Stores the request's body, a file of 4 MiB at most: c++ -O2 -std=c++17 -o upload.fcgi upload.cpp -lfcgi++ -lfcgi
// UPLOAD_FOLDER=… says where. Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
#include <fcgio.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace fs = std::filesystem;

constexpr std::streamsize max_bytes = 4 << 20;

// The name is ours: one that a client chooses may hold anything.
std::string new_name() {
    static std::random_device random;
    return "upload-" + std::to_string(random()) + std::to_string(random());
}

// 201 when all of the body is in the file; else the status that says why not.
int store(std::istream &in, const fs::path &path) {
    std::ofstream file(path, std::ios::binary);
    std::vector<char> buffer(64 * 1024);
    std::streamsize total = 0;

    while (in.read(buffer.data(), buffer.size()), in.gcount() > 0) {
        if ((total += in.gcount()) > max_bytes) return 413;
        file.write(buffer.data(), in.gcount());
    }
    return file.flush() ? 201 : 500;
}

int main() {
    const char *folder = std::getenv("UPLOAD_FOLDER");
    FCGX_Request request;

    FCGX_Init();
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        fcgi_streambuf in_buffer(request.in), out_buffer(request.out);
        std::istream in(&in_buffer);
        std::ostream out(&out_buffer);

        const auto name = new_name();
        const int status = folder ? store(in, fs::path(folder) / name) : 500;
        if (folder && status != 201) fs::remove(fs::path(folder) / name);
        out << "Status: " << status << "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            << (status == 201 ? name : "Nothing was stored.") << '\n';
    }
}
