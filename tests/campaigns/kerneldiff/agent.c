// SPDX-License-Identifier: MIT
/* The guest's only program: does what `make kerneldiff` asks for, and tells what the kernel made of it.
 *
 * As process 1 it mounts what it needs, loads the modules and reads requests from a virtio-serial port, a line each:
 *
 *   put PATH VALUE           write a file                         get PATH...    read files: "PATH" and lines behind it
 *   mkdir PATH, rmdir PATH   of groups                            mkswap PATH PAGES, swapon PATH PRIORITY, swapoff PATH
 *   start GROUP              end all tasks, start task 0 in it    settle GROUP  until no swapped page is cached
 *   pages                    "TASK VPN PAGEMAP KPAGEFLAGS CACHED", a line for each page of a task that there is
 *   rest                     wait until no task is ready to run, and no disk has a request under way
 *   task N OP A B C D        an operation of a task: "ERRNO MINOR MAJOR CRC", faults that the operation itself took
 *
 * Each answer ends with a line "ok", or "failed WHY".
 *
 * A task's own memory is locked, so that it neither takes faults nor is reclaimed; what the scripts are about is REGION.
 * A fork would share and unlock it: the child locks its own, which copies it, then the parent its own once more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 128, TASKS = 6, OWN_RANGES = 32, DISKS = 3, MOST_WAITS = 100000 };
#define REGION ((unsigned char *)0x100000000000)
#define NOTHING (REGION - PAGE) /* a page that is mapped, and that nobody ever looks at */

enum op { MAP, UNMAP, READ, WRITE, TOUCH, FORK, EXIT, ADVISE, MREMAP, MPROTECT, LOCK, UNLOCK, LOOK };

struct request {
	int op;
	unsigned long a, b, c, d;
};

struct answer {
	int error;
	unsigned long minor, major;
	uint32_t crc;
};

struct page {
	uint64_t pagemap, flags;
	unsigned char mapped, cached;
};

static int sockets[TASKS][2]; /* of each task: the agent's end, its own */
static pid_t pids[TASKS];
static uint32_t crc_table[256];
static FILE *host;
static int load_file, disk_files[DISKS], stat_file = -1;

static struct page looked[PAGES];
static unsigned char mapped[PAGES];
static struct { unsigned char *start; size_t size; } own[OWN_RANGES];
static int own_count;
static sigjmp_buf caught;

/* Content: as Python's contents.py makes it */

static uint64_t next_word(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(unsigned char *page, unsigned long kind, unsigned long seed)
{
	uint64_t *words = (uint64_t *)page, state = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < PAGE / 8; i++)
		words[i] = kind == 0 ? 0 : kind == 1 ? seed + 1 : kind == 2 && i >= 128 ? seed + i / 8 : next_word(&state);
}

static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t size)
{
	crc = ~crc;
	for (size_t i = 0; i < size; i++)
		crc = crc_table[(crc ^ data[i]) & 255] ^ crc >> 8;
	return ~crc;
}

/* Rest: what others have begun, a worker of the kernel or a disk, has ended. On the guest's only processor that is no
 * matter of time. */

static void open_rest(void) /* once, before there are groups: the buffers behind these files would be charged to one */
{
	char path[64];
	load_file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < DISKS; i++) {
		snprintf(path, sizeof path, "/sys/block/vd%c/inflight", 'a' + i);
		disk_files[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
}

static int at_rest(void)
{
	char text[128] = "";
	unsigned running = 0, reads = 0, writes = 0;
	if (pread(load_file, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%*s %*s %*s %u/", &running) != 1)
		return 0;
	for (int i = 0; i < DISKS; i++) {
		memset(text, 0, sizeof text);
		if (pread(disk_files[i], text, sizeof text - 1, 0) <= 0 || sscanf(text, "%u %u", &reads, &writes) != 2)
			return 0;
		if (reads || writes)
			return 0;
	}
	return running == 1; /* whoever asks */
}

static int rest(void) /* twice in a row: what comes from a disk may wake a worker */
{
	for (int waits = 0, quiet = 0; quiet < 2; waits++) {
		if (waits == MOST_WAITS)
			return ETIME;
		quiet = at_rest() ? quiet + 1 : 0;
		if (!quiet)
			usleep(50);
	}
	return 0;
}

/* Order: at rest, pages that wait in the processor's batches reach the lists (lru_add_drain), and the statistics of the
 * group are up to date. Refaults go by both. */

static void open_order(const char *group) /* by the agent, for all tasks: as above */
{
	char path[256], text[512];
	if (stat_file >= 0)
		close(stat_file);
	snprintf(path, sizeof path, "%s/cpu.stat", group);
	stat_file = open(path, O_RDONLY | O_CLOEXEC);
	pread(stat_file, text, sizeof text, 0);
}

static int order(void)
{
	char text[512];
	int error = rest(); /* the end of a write puts its page into a batch */
	madvise(NOTHING, PAGE, MADV_COLD);
	pread(stat_file, text, sizeof text, 0);
	return error;
}

/* A task */

static void on_signal(int number)
{
	siglongjmp(caught, number);
}

static void find_own(void) /* what is mapped before REGION is: all that may be locked */
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], mode[8];
	unsigned long start, end;
	while (fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 && own_count < OWN_RANGES && !strstr(line, "[v")) {
			own[own_count].start = (unsigned char *)start;
			own[own_count++].size = end - start;
		}
	fclose(maps);
}

static void lock_own(void)
{
	for (int i = 0; i < own_count; i++)
		mlock(own[i].start, own[i].size);
}

static int each_run(int lock)
{
	for (int from = 0; from < PAGES; from++) {
		int to = from;
		while (to < PAGES && mapped[to])
			to++;
		if (to > from) {
			unsigned char *start = REGION + from * (size_t)PAGE;
			size_t size = (to - from) * (size_t)PAGE;
			if (lock ? syscall(SYS_mlock2, start, size, MLOCK_ONFAULT) : munlock(start, size))
				return errno;
			from = to;
		}
	}
	return 0;
}

static void look(void)
{
	uint64_t entries[PAGES];
	int map = open("/proc/self/pagemap", O_RDONLY), flags = open("/proc/kpageflags", O_RDONLY);
	pread(map, entries, sizeof entries, (uintptr_t)REGION / PAGE * 8);
	for (int i = 0; i < PAGES; i++) {
		looked[i] = (struct page){.mapped = mapped[i], .pagemap = entries[i]};
		if (!mapped[i])
			continue;
		if (entries[i] >> 63 & 1)
			pread(flags, &looked[i].flags, 8, (entries[i] & ((1ul << 55) - 1)) * 8);
		else
			mincore(REGION + i * (size_t)PAGE, PAGE, &looked[i].cached);
	}
	close(map);
	close(flags);
}

static volatile struct answer now; /* volatile: lives through siglongjmp */

static void access_pages(struct request *request)
{
	struct rusage before, after;
	int number = sigsetjmp(caught, 1);
	if (number) {
		now.error = number == SIGBUS ? EIO : EFAULT;
		return;
	}
	for (unsigned long i = 0; i < request->b; i++) {
		unsigned char *page = REGION + (request->a + i) * PAGE;
		volatile unsigned char *first = page;
		getrusage(RUSAGE_SELF, &before);
		if (request->op == READ)
			(void)*first;
		else if (request->op == TOUCH)
			first[8] = request->c; /* a store alone: a load before it could fault, too */
		else
			fill(page, request->c, request->d + i);
		getrusage(RUSAGE_SELF, &after);
		now.minor += after.ru_minflt - before.ru_minflt;
		now.major += after.ru_majflt - before.ru_majflt;
		if ((after.ru_minflt != before.ru_minflt || after.ru_majflt != before.ru_majflt) && (now.error = order()))
			return;
		if (request->op == READ)
			now.crc = crc32(now.crc, page, PAGE);
	}
}

static void work(int me);

static int do_fork(int child)
{
	int ready[2];
	char byte;
	if (pipe(ready))
		return errno;
	pid_t pid = fork();
	if (!pid) {
		close(ready[0]);
		lock_own();
		pid = getpid();
		write(ready[1], &pid, sizeof pid);
		close(ready[1]);
		work(child);
	}
	close(ready[1]);
	if (pid > 0) {
		read(ready[0], &byte, 1);
		lock_own();
	}
	close(ready[0]);
	now.crc = pid;
	return pid > 0 ? 0 : errno;
}

static int do_op(struct request *r)
{
	unsigned char *at = REGION + r->a * PAGE;
	size_t size = r->b * PAGE;
	switch (r->op) {
	case MAP:
		if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
			return errno;
		memset(mapped + r->a, 1, r->b);
		return 0;
	case UNMAP:
		memset(mapped + r->a, 0, r->b);
		return munmap(at, size) ? errno : 0;
	case ADVISE:
		return madvise(at, size, r->c) ? errno : 0;
	case MREMAP:
		if (mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, REGION + r->c * PAGE) == MAP_FAILED)
			return errno;
		memset(mapped + r->a, 0, r->b);
		memset(mapped + r->c, 1, r->b);
		return 0;
	case MPROTECT:
		return mprotect(at, size, r->c) ? errno : 0;
	case LOCK:
	case UNLOCK:
		return each_run(r->op == LOCK);
	}
	return EINVAL;
}

static void work(int me)
{
	int socket = sockets[me][1];
	struct request request;
	while (read(socket, &request, sizeof request) == sizeof request && request.op != EXIT) {
		now.error = now.minor = now.major = now.crc = 0;
		if (request.op == READ || request.op == WRITE || request.op == TOUCH)
			access_pages(&request);
		else if (request.op == FORK)
			now.error = do_fork(request.a);
		else if (request.op == LOOK)
			look();
		else
			now.error = do_op(&request);
		if (request.op == ADVISE && !now.error)
			now.error = order();
		write(socket, (void *)&now, sizeof now);
		if (request.op == LOOK)
			write(socket, looked, sizeof looked);
	}
	_exit(0);
}

/* The agent */

static int alive(int task)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return !kill(pids[task], 0);
}

static void ask(int task, struct request *request, struct answer *answer) /* ECHILD: it is gone, killed for memory */
{
	struct pollfd answered = {.fd = sockets[task][0], .events = POLLIN};
	write(sockets[task][0], request, sizeof *request);
	while (!poll(&answered, 1, 20))
		if (!alive(task)) {
			*answer = (struct answer){.error = ECHILD};
			pids[task] = 0;
			return;
		}
	read(sockets[task][0], answer, sizeof *answer);
}

static const char *put(const char *path, const char *value)
{
	static char why[256];
	int file = open(path, O_WRONLY | O_TRUNC);
	ssize_t done = file < 0 ? -1 : write(file, value, strlen(value));
	snprintf(why, sizeof why, "%s: %s", path, strerror(errno));
	if (file >= 0)
		close(file);
	return done < 0 ? why : NULL;
}

static void get(const char *path)
{
	static char text[65536];
	int file = open(path, O_RDONLY);
	ssize_t size = 0, part;
	while (file >= 0 && (part = read(file, text + size, sizeof text - 1 - size)) > 0)
		size += part;
	if (file >= 0)
		close(file);
	text[size] = 0;
	fprintf(host, "=%s\n%s%s", path, text, size && text[size - 1] != '\n' ? "\n" : "");
}

static void end_task(int task)
{
	if (pids[task]) {
		kill(pids[task], SIGKILL);
		while (!kill(pids[task], 0)) { /* ours to wait for, or gone at once: tasks ignore the end of their children */
			waitpid(-1, NULL, WNOHANG);
			usleep(50);
		}
	}
	pids[task] = 0;
}

static const char *start(const char *group)
{
	char path[256], number[32];
	for (int i = 0; i < TASKS; i++)
		end_task(i);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	for (int i = 0; i < TASKS; i++) {
		if (sockets[i][0])
			close(sockets[i][0]), close(sockets[i][1]);
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets[i]);
	}
	open_order(group);
	pids[0] = fork();
	if (!pids[0]) {
		signal(SIGCHLD, SIG_IGN); /* children of tasks leave at once */
		struct sigaction action = {.sa_handler = on_signal};
		sigaction(SIGSEGV, &action, NULL);
		sigaction(SIGBUS, &action, NULL);
		find_own();
		lock_own();
		mmap(NOTHING, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		char byte = 1;
		write(sockets[0][1], &byte, 1);
		read(sockets[0][1], &byte, 1);
		work(0);
	}
	char byte;
	read(sockets[0][0], &byte, 1);
	snprintf(path, sizeof path, "%s/cgroup.procs", group);
	snprintf(number, sizeof number, "%d", pids[0]);
	const char *failed = put(path, number); /* what the task has by now is not the group's */
	write(sockets[0][0], &byte, 1);
	return failed;
}

static int cached(int print)
{
	int count = 0;
	for (int task = 0; task < TASKS; task++) {
		if (!pids[task])
			continue;
		struct request request = {.op = LOOK};
		struct answer answer;
		ask(task, &request, &answer);
		if (answer.error)
			continue;
		read(sockets[task][0], looked, sizeof looked);
		for (int i = 0; i < PAGES; i++) {
			count += looked[i].cached && looked[i].pagemap >> 62 & 1;
			if (print && looked[i].mapped && (looked[i].pagemap >> 61))
				fprintf(host, "%d %d %lx %lx %d\n", task, i, looked[i].pagemap, looked[i].flags, looked[i].cached);
		}
	}
	return count;
}

static void every_task(int op)
{
	for (int task = 0; task < TASKS; task++) {
		struct request request = {.op = op};
		struct answer answer;
		if (pids[task])
			ask(task, &request, &answer);
	}
}

static void bring_up_to_date(const char *group) /* the statistics that reclaim goes by: they may be seconds old */
{
	char path[256], text[4096];
	snprintf(path, sizeof path, "%s/cpu.stat", group);
	int file = open(path, O_RDONLY);
	read(file, text, sizeof text);
	close(file);
}

static const char *settle(const char *group) /* pages that nobody maps leave the swap cache, and nothing else */
{
	char path[256];
	snprintf(path, sizeof path, "%s/memory.reclaim", group);
	if (!cached(0))
		return NULL;
	every_task(LOCK);
	int tries = 0;
	while (cached(0) && tries++ < 40) { /* one that another task maps stays */
		bring_up_to_date(group);
		put(path, "1M");
		usleep(tries > 3 ? 2000 : 100);
	}
	every_task(UNLOCK);
	return NULL;
}

static const char *make_swap(const char *path, unsigned pages)
{
	static unsigned char header[PAGE];
	uint32_t *info = (uint32_t *)(header + 1024);
	info[0] = 1;
	info[1] = pages; /* the last one: the header is page 0 */
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	int file = open(path, O_WRONLY);
	ssize_t done = file < 0 ? -1 : pwrite(file, header, PAGE, 0);
	if (file >= 0) {
		fsync(file);
		close(file);
	}
	return done == PAGE ? NULL : strerror(errno);
}

static const char *serve(char *line)
{
	char path[256] = "", value[256] = "", op[32];
	unsigned long n = 0, a = 0, b = 0, c = 0, d = 0;
	static const char *names[] = {"map", "unmap", "read", "write", "touch", "fork", "exit", "advise", "mremap",
				      "mprotect", "lock", "unlock"};
	if (sscanf(line, "put %255s %255[^\n]", path, value) == 2)
		return put(path, value);
	if (!strncmp(line, "get ", 4)) {
		for (char *name = strtok(line + 4, " \n"); name; name = strtok(NULL, " \n"))
			get(name);
		return NULL;
	}
	if (sscanf(line, "mkdir %255s", path) == 1)
		return mkdir(path, 0755) ? strerror(errno) : NULL;
	if (sscanf(line, "rmdir %255s", path) == 1) {
		for (int tries = 0; rmdir(path); tries++) { /* a task that has just ended may still be leaving */
			if (errno != EBUSY || tries == 1000)
				return strerror(errno);
			usleep(1000);
		}
		return NULL;
	}
	if (sscanf(line, "mkswap %255s %lu", path, &n) == 2)
		return make_swap(path, n);
	if (sscanf(line, "swapon %255s %lu", path, &n) == 2)
		return swapon(path, SWAP_FLAG_PREFER | n) ? strerror(errno) : NULL;
	if (sscanf(line, "swapoff %255s", path) == 1)
		return swapoff(path) ? strerror(errno) : NULL;
	if (sscanf(line, "start %255s", path) == 1)
		return start(path);
	if (sscanf(line, "settle %255s", path) == 1)
		return settle(path);
	if (!strncmp(line, "end", 3)) {
		for (int i = 0; i < TASKS; i++)
			end_task(i);
		return NULL;
	}
	if (!strncmp(line, "rest", 4)) {
		int error = rest();
		return error ? strerror(error) : NULL;
	}
	if (!strncmp(line, "pages", 5)) {
		cached(1);
		return NULL;
	}
	if (sscanf(line, "task %lu %31s %lu %lu %lu %lu", &n, op, &a, &b, &c, &d) >= 2 && n < TASKS && pids[n]) {
		struct request request = {.op = -1, .a = a, .b = b, .c = c, .d = d};
		struct answer answer = {0};
		for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
			if (!strcmp(op, names[i]))
				request.op = i;
		if (request.op == EXIT) {
			end_task(n);
		} else {
			ask(n, &request, &answer);
			if (request.op == FORK && !answer.error)
				pids[a] = answer.crc;
		}
		fprintf(host, "%d %lu %lu %u\n", answer.error, answer.minor, answer.major, request.op == READ ? answer.crc : 0);
		return NULL;
	}
	return "not understood";
}

static void load_modules(void)
{
	char name[128], path[256];
	FILE *order = fopen("/modules/order", "r");
	while (order && fscanf(order, "%127s", name) == 1) {
		snprintf(path, sizeof path, "/modules/%s", name);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || syscall(SYS_finit_module, file, strcmp(name, "zram.ko") ? "" : "num_devices=1", 0))
			printf("agent: module %s: %s\n", name, strerror(errno));
		close(file);
	}
	if (order)
		fclose(order);
}

int main(void)
{
	static char line[4096];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;
		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
		crc_table[i] = value;
	}
	mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	load_modules();
	int port = -1;
	for (int tries = 0; port < 0 && tries < 1000; tries++, usleep(10000))
		port = open("/dev/vport0p1", O_RDWR | O_CLOEXEC);
	for (int tries = 0; access("/dev/vda", F_OK) && tries < 1000; tries++)
		usleep(10000);
	if (port < 0) {
		printf("agent: no port to the host: %s\n", strerror(errno));
		for (;;)
			pause();
	}
	open_rest();
	rest(); /* the files have their buffers now */
	FILE *requests = fdopen(port, "r");
	host = fdopen(dup(port), "w");
	signal(SIGPIPE, SIG_IGN);
	while (!fgets(line, sizeof line, requests)) { /* the host is not there yet */
		clearerr(requests);
		usleep(10000);
	}
	do {
		const char *failed = serve(line);
		fprintf(host, failed ? "failed %s\n" : "ok\n", failed);
		fflush(host);
	} while (fgets(line, sizeof line, requests));
	sync();
	for (;;)
		pause();
}
