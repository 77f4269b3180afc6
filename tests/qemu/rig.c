/* SPDX-License-Identifier: BSD-2-Clause */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

static char directory[64];

struct device *rig_open(const char *spec)
{
	struct device *dev = dmamap_open(spec);

	if (!dev)
		fail_msg("%s: %s", spec, dmamap_strerror());
	return dev;
}

struct qemu *rig_qemu(struct device *dev)
{
	return dev->ops_priv;
}

pid_t rig_pid(struct device *dev)
{
	return read_once(&rig_qemu(dev)->process.pid);
}

u64 rig_invalidations(struct device *dev)
{
	return vtd_invalidations(rig_qemu(dev)->vtd);
}

void rig_refused(const char *spec, int err, const char *word, const char *word2)
{
	struct device *dev = dmamap_open(spec);

	assert_null(dev);
	if (errno != err || !strstr(dmamap_strerror(), word) || !strstr(dmamap_strerror(), word2))
		fail_msg("%s: errno %d, \"%s\"; not %d with \"%s\" and \"%s\"", spec, errno,
			 dmamap_strerror(), err, word, word2);
}

const char *rig_path(const char *name)
{
	static char paths[4][128];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	if (!*directory) {
		strcpy(directory, "/tmp/dmamap-test-XXXXXX");
		assert_non_null(mkdtemp(directory));
	}
	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

void rig_file(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

bool rig_no_children(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static unsigned int entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

unsigned int rig_descriptors(void)
{
	return entries("/proc/self/fd");
}

unsigned int rig_threads(void)
{
	return entries("/proc/self/task");
}

struct dmamap_stats rig_stats(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	return s;
}

void rig_need_qemu(void)
{
	if (system("qemu-system-x86_64 --version > /dev/null 2>&1") == 0)
		return;
	printf("1..0 # SKIP there is no qemu-system-x86_64 here\n");
	exit(0);
}

int rig_teardown(void **state)
{
	dmamap_check_on_report(NULL, NULL);
	return rig_no_children() ? 0 : printf("# a child is left\n");
}

int rig_cleanup(void **state)
{
	DIR *d = *directory ? opendir(directory) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	if (*directory)
		rmdir(directory);
	*directory = 0;
	return 0;
}
