/* Runs a fuzz target over files without libFuzzer, so that every build replays the corpus.
 *
 * replay_driver [--vary | --as-is] PATH...: each file, or each file of each folder, once; behind
 * --vary also every shorter beginning of it and every byte of it changed in a few ways, the same in
 * each run, until --as-is.
 * At most FILE_BYTES_MAX bytes of a file count, and the first VARY_BYTES_MAX of them are varied.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1u << 20)
#define VARY_BYTES_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long n_files, n_inputs;

/* In a block of its exact size, as libFuzzer does it: a read past the end is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + (size == 0));

	if (exact == NULL)
		exit(1);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	n_inputs++;
}

static void vary(uint8_t *data, size_t size)
{
	static const uint8_t flips[] = {0x01, 0x04, 0x10, 0x40, 0xff};
	size_t n = size < VARY_BYTES_MAX ? size : VARY_BYTES_MAX;

	for (size_t i = 0; i < n; i++) {
		uint8_t kept = data[i];

		run(data, i);
		for (size_t k = 0; k < sizeof(flips); k++) {
			data[i] = kept ^ flips[k];
			run(data, size);
		}
		data[i] = 0;
		run(data, size);
		data[i] = kept;
	}
}

static int run_file(const char *path, bool has_variants)
{
	uint8_t *data = malloc(FILE_BYTES_MAX);
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL || data == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		if (file != NULL)
			fclose(file);
		free(data);
		return -1;
	}
	size = fread(data, 1, FILE_BYTES_MAX, file);
	fclose(file);
	/* Known before it runs: a crash leaves this as the last line. */
	fprintf(stderr, "%s\n", path);
	run(data, size);
	if (has_variants)
		vary(data, size);
	free(data);
	n_files++;
	return 0;
}

static int run_folder(const char *path, bool has_variants)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), rc = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		if (names[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
			rc |= run_file(file, has_variants);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int main(int argc, char **argv)
{
	bool has_variants = false;
	int rc = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (strcmp(argv[i], "--vary") == 0) {
			has_variants = true;
			continue;
		}
		if (strcmp(argv[i], "--as-is") == 0) {
			has_variants = false;
			continue;
		}
		if (stat(argv[i], &st) < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		rc |= S_ISDIR(st.st_mode) ? run_folder(argv[i], has_variants)
					  : run_file(argv[i], has_variants);
	}
	printf("%lu files, %lu inputs\n", n_files, n_inputs);
	return rc != 0 || n_files == 0;
}
