/* make_corpus FOLDER: writes one file per shape, the seeds of fuzz_parse. --check FOLDER: says
 * whether they are there and the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shapes.h"

static bool is_same(const char *path, struct frame *f)
{
	uint8_t have[FRAME_BYTES_MAX];
	FILE *file = fopen(path, "rb");
	size_t n = 0;

	if (file != NULL) {
		n = fread(have, 1, sizeof(have), file);
		fclose(file);
	}
	return n == f->len && memcmp(have, frame_at(f, 0), n) == 0;
}

static bool write_file(const char *path, struct frame *f)
{
	FILE *file = fopen(path, "wb");
	bool ok = file != NULL && fwrite(frame_at(f, 0), 1, f->len, file) == f->len;

	if (file != NULL)
		ok = fclose(file) == 0 && ok;
	return ok;
}

int main(int argc, char **argv)
{
	bool is_check = argc == 3 && strcmp(argv[1], "--check") == 0;
	int rc = 0;

	if (argc != 2 && !is_check) {
		fprintf(stderr, "usage: make_corpus [--check] FOLDER\n");
		return 2;
	}
	for (uint32_t i = 0; i < n_shapes; i++) {
		char path[4096];
		struct frame f;

		shapes[i].build(&f);
		snprintf(path, sizeof(path), "%s/%s", argv[argc - 1], shapes[i].name);
		if (is_check ? is_same(path, &f) : write_file(path, &f))
			continue;
		fprintf(stderr, "%s: %s\n", path, is_check ? "run make_corpus" : "not written");
		rc = 1;
	}
	return rc;
}
