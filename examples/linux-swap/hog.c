// SPDX-License-Identifier: MIT
/* hog MEGABYTES ROUNDS: fills more memory than there is with pages of real programs, changes and checks them.
 *
 * /pages holds the pages. Page i of version v is one of them, its first 16 bytes replaced by i and v, so that no two
 * are equal and each can be told from any older one. Prints what it found; exit status 0: each byte was right. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, STAMP = 16 };

static const unsigned char *samples;
static size_t samples_count;
static uint64_t state = 88172645463325252u;

static uint64_t next_random(void) /* xorshift64 */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static const unsigned char *sample(uint64_t page, uint64_t version)
{
	return samples + (page * 7 + version * 13) % samples_count * PAGE;
}

static void fill(unsigned char *memory, uint64_t page, uint64_t version)
{
	uint64_t stamp[2] = {page, version};
	memcpy(memory + page * PAGE, sample(page, version), PAGE);
	memcpy(memory + page * PAGE, stamp, STAMP);
}

static int right(const unsigned char *memory, uint64_t page, uint64_t version)
{
	uint64_t stamp[2] = {page, version};
	const unsigned char *at = memory + page * PAGE;
	return !memcmp(at, stamp, STAMP) && !memcmp(at + STAMP, sample(page, version) + STAMP, PAGE - STAMP);
}

int main(int argc, char **argv)
{
	size_t pages = argc == 3 ? strtoul(argv[1], NULL, 10) * 256 : 0;
	size_t rounds = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	int file = open("/pages", O_RDONLY);
	struct stat status;
	if (!pages || file < 0 || fstat(file, &status) || status.st_size < PAGE)
		return fprintf(stderr, "hog MEGABYTES ROUNDS, and /pages\n"), 2;
	samples_count = status.st_size / PAGE;
	samples = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	unsigned char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *versions = calloc(pages, 1);
	if (samples == MAP_FAILED || memory == MAP_FAILED || !versions)
		return perror("hog"), 2;
	size_t bad = 0, checked = 0;
	double start = seconds();
	for (size_t page = 0; page < pages; page++)
		fill(memory, page, 0);
	printf("hog: %zu pages filled after %.0f s\n", pages, seconds() - start);
	for (size_t round = 1; round <= rounds; round++) {
		for (size_t n = 0; n < pages / 4; n++) { /* a quarter of them, anywhere; every second one is changed */
			size_t page = next_random() % pages;
			bad += !right(memory, page, versions[page]);
			checked++;
			if (n % 2)
				fill(memory, page, ++versions[page]);
		}
		printf("hog: round %zu done after %.0f s\n", round, seconds() - start);
	}
	for (size_t page = 0; page < pages; page++, checked++)
		bad += !right(memory, page, versions[page]);
	printf("hog: %zu bad pages of %zu checked, %.0f s\n", bad, checked, seconds() - start);
	printf("@hog.pages %zu\n@hog.checked %zu\n@hog.bad %zu\n@hog.seconds %.0f\n", pages, checked, bad, seconds() - start);
	return bad != 0;
}
