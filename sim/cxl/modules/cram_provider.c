// SPDX-License-Identifier: GPL-2.0-or-later
// The device's driver beside the kernel's own, as far as a module outside of the kernel can go:
//
//   trim      pages of the node that are free are trimmed, by the kernel's page reporting
//   pressure  when the media runs low the module takes all free pages of the node, so that the kernel demotes no more, and
//             gives them back when the media has recovered
//   hot       pages that the device nominates are promoted
//
//     insmod cram_provider.ko start=ADDRESS length=BYTES [low=SECTORS recovered=SECTORS] [hot=HEAT period=READS]
//
// The region's place comes from sysfs, since a module cannot ask the CXL core for it. Commands go through the second mailbox,
// that of BAR 5: the first one is the kernel's CXL driver's, and its lock is private.

#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page_reporting.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

enum { DEVICE_CLASS = 0x050210, BAR = 5, LINE_HOT = 2, LINE_LOW = 12, LINE_RECOVERED = 13 };
enum { ID = 0x000, MEDIA_SECTORS = 0x014, RESIDENT_PAGES = 0x02c, INTERRUPT_ENABLE = 0x034, LOW_WATERMARK = 0x038,
       RECOVERED_WATERMARK = 0x03c };
enum { HEAT_THRESHOLD = 0x100, HEAT_PERIOD = 0x104, HOT_COUNT = 0x108, HOT_PAGE = 0x10c, HOT_POP = 0x110 };
enum { CONTROL = 0x1fe4, DOORBELL = 1, COMMAND_LOW = 0x1fe8, COMMAND_HIGH = 0x1fec, STATUS_HIGH = 0x1ff4, PAYLOAD = 0x2000 };
enum { MEDIA_OPERATIONS = 0x4402, CLASS_ZERO = 0x0101 };
enum { POLLS = 100000, POLL_US = 10, LOOK_MS = 10, AT_ONCE = 16, WAITING = 64, TRIES = 16 };
static const u32 LETTERS = 0x4352414d;

static unsigned long start, length, low, recovered;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "physical address of the device's region");
module_param(length, ulong, 0444);
MODULE_PARM_DESC(length, "its bytes");
module_param(low, ulong, 0444);
MODULE_PARM_DESC(low, "free sectors below which demotion stops; a quarter of the media if not given");
module_param(recovered, ulong, 0444);
MODULE_PARM_DESC(recovered, "free sectors with which it begins again; three eighths");
static unsigned int hot, period = 65536;
module_param(hot, uint, 0444);
MODULE_PARM_DESC(hot, "heat at which the device nominates a page, which is promoted then; 0: never");
module_param(period, uint, 0444);
MODULE_PARM_DESC(period, "reads of the device after which all heat is halved");

// What has happened, for whoever reads /sys/module/cram_provider/parameters.
static unsigned long trimmed, given_back, commands, failed, low_times, recovered_times, held, promoted, stayed;
module_param(trimmed, ulong, 0444);
MODULE_PARM_DESC(trimmed, "pages that commands to trim named");
module_param(given_back, ulong, 0444);
MODULE_PARM_DESC(given_back, "pages that were resident before such a command and not after it");
module_param(commands, ulong, 0444);
MODULE_PARM_DESC(commands, "commands to trim");
module_param(failed, ulong, 0444);
MODULE_PARM_DESC(failed, "of these, those that the device refused");
module_param(low_times, ulong, 0444);
MODULE_PARM_DESC(low_times, "times that the media ran low");
module_param(recovered_times, ulong, 0444);
MODULE_PARM_DESC(recovered_times, "times that it recovered");
module_param(held, ulong, 0444);
MODULE_PARM_DESC(held, "pages of the node that the module holds");
module_param(promoted, ulong, 0444);
MODULE_PARM_DESC(promoted, "nominated pages that are in DRAM now");
module_param(stayed, ulong, 0444);
MODULE_PARM_DESC(stayed, "nominated pages that could not be moved");

static struct pci_dev *device;
static u8 __iomem *registers;
static DEFINE_MUTEX(mailbox);  // the second one
static DEFINE_MUTEX(balloon);
static LIST_HEAD(pages);
static bool pressed;  // the media runs low
static int node;

static void look(struct work_struct *work);
static DECLARE_DELAYED_WORK(again, look);

// A page that was nominated: which of the device's, and how often it could not be moved.
struct nominated {
	u32 frame, tries;
};

static struct nominated waiting[WAITING];
static u32 waits;
static DEFINE_MUTEX(moving);
static void try_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(hot_again, try_again);

struct extent {
	__le64 dpa, bytes;
};

// Trim ranges of the device's memory.
static int trim(const struct extent *ranges, u32 count)
{
	const u32 *words = (const u32 *)ranges;
	const u32 size = 8 + count * sizeof(*ranges);
	u32 before, after, result, i;
	int polls = 0;

	mutex_lock(&mailbox);
	before = readl(registers + RESIDENT_PAGES);
	writel(CLASS_ZERO, registers + PAYLOAD);
	writel(count, registers + PAYLOAD + 4);
	for (i = 0; i < size / 4 - 2; i++)
		writel(words[i], registers + PAYLOAD + 8 + 4 * i);
	writel(MEDIA_OPERATIONS | size << 16, registers + COMMAND_LOW);
	writel(size >> 16, registers + COMMAND_HIGH);
	writel(DOORBELL, registers + CONTROL);
	while (readl(registers + CONTROL) & DOORBELL && polls++ < POLLS)
		usleep_range(POLL_US, 2 * POLL_US);
	result = polls > POLLS ? ~0u : readl(registers + STATUS_HIGH) & 0xffff;
	after = readl(registers + RESIDENT_PAGES);
	commands++;
	if (result) {
		failed++;
	} else {
		for (i = 0; i < count; i++)
			trimmed += le64_to_cpu(ranges[i].bytes) / PAGE_SIZE;
		given_back += before > after ? before - after : 0;
	}
	mutex_unlock(&mailbox);
	return result ? -EIO : 0;
}

static struct extent extent_of(phys_addr_t place, u64 bytes)
{
	return (struct extent){.dpa = cpu_to_le64(place - start), .bytes = cpu_to_le64(bytes)};
}

// ---- Page reporting -----------------------------------------------------------------------------------------------------

// Free pages of the whole machine, which nobody can take meanwhile; those of the device are trimmed.
// While the media runs low they are wanted for something else.
static int report(struct page_reporting_dev_info *info, struct scatterlist *list, unsigned int entries)
{
	struct extent ranges[PAGE_REPORTING_CAPACITY];
	struct scatterlist *entry;
	u32 count = 0, i;
	int error;

	if (READ_ONCE(pressed))
		return -EBUSY;
	for_each_sg(list, entry, entries, i) {
		const phys_addr_t place = sg_phys(entry);

		if (place >= start && place + entry->length <= start + length)
			ranges[count++] = extent_of(place, entry->length);
	}
	error = count ? trim(ranges, count) : 0;
	if (READ_ONCE(pressed))  // since then
		mod_delayed_work(system_wq, &again, 1);
	return error;
}

static struct page_reporting_dev_info reporting = {.report = report};

// ---- Pressure -----------------------------------------------------------------------------------------------------------

// Take what is free on the node: all of it first, below every watermark of the zone, so that nothing is left for demotion
// but on the lists of other processors. Then trim it, as nobody has reported it perhaps; else the media could never recover.
static void take_free_pages(void)
{
	const gfp_t how = (GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_NOWARN | __GFP_MEMALLOC) & ~__GFP_RECLAIM;
	struct page *page;
	LIST_HEAD(taken);
	int order;

	for (order = MAX_PAGE_ORDER; order >= 0; order--) {
		while ((page = alloc_pages_node(node, how, order))) {
			set_page_private(page, order);
			list_add(&page->lru, &taken);
			held += 1ul << order;
		}
	}
	list_for_each_entry(page, &taken, lru) {
		const struct extent extent = extent_of(page_to_phys(page), PAGE_SIZE << page_private(page));

		trim(&extent, 1);
	}
	list_splice(&taken, &pages);
}

static void give_pages_back(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &pages, lru) {
		const unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		held -= 1ul << order;
		__free_pages(page, order);
	}
}

static void look(struct work_struct *work)
{
	mutex_lock(&balloon);
	if (pressed) {
		take_free_pages();
		schedule_delayed_work(&again, msecs_to_jiffies(LOOK_MS));  // for those that become free
	}
	mutex_unlock(&balloon);
}

static irqreturn_t on_low(int line, void *data)
{
	mutex_lock(&balloon);
	low_times++;
	WRITE_ONCE(pressed, true);
	take_free_pages();
	schedule_delayed_work(&again, msecs_to_jiffies(LOOK_MS));
	mutex_unlock(&balloon);
	return IRQ_HANDLED;
}

static irqreturn_t on_recovered(int line, void *data)
{
	mutex_lock(&balloon);
	recovered_times++;
	WRITE_ONCE(pressed, false);
	give_pages_back();
	mutex_unlock(&balloon);
	return IRQ_HANDLED;
}

// ---- Hot pages ----------------------------------------------------------------------------------------------------------

// What may be moved: a page of a process that is no part of a larger folio. Who asks without a lock may be told what was.
static bool may_move(struct page *page)
{
	return PageAnon(page) && !PageCompound(page) && !PageHWPoison(page);
}

// A page that is moved to this processor's node. The kernel's functions are meant for devices that need their memory back, and
// take pages of the system, too. The migration entries that they leave make all who touch the page wait until the end.
struct move {
	unsigned long from, to;
};

// Copy a page and have the copy take its place. Returns whether it has; then the page itself is ours until the end.
static bool begin_move(struct move *move, struct page *page)
{
	const gfp_t how = (GFP_HIGHUSER_MOVABLE | __GFP_THISNODE | __GFP_NOWARN) & ~__GFP_RECLAIM;
	struct page *new = may_move(page) ? alloc_pages_node(numa_mem_id(), how, 0) : NULL;

	if (!new)
		return false;
	*move = (struct move){0};
	lock_page(new);
	migrate_device_range(&move->from, page_to_pfn(page), 1);
	if (move->from & MIGRATE_PFN_MIGRATE && may_move(page) && !copy_mc_highpage(new, page)) {
		move->to = migrate_pfn(page_to_pfn(new));
		migrate_device_pages(&move->from, &move->to, 1);
	}
	if (!move->to) {
		unlock_page(new);
		__free_page(new);
	}
	if (move->to && move->from & MIGRATE_PFN_MIGRATE)
		return true;
	migrate_device_finalize(&move->from, &move->to, 1);
	return false;
}

// The pages go back to the kernel. Before that they are trimmed: else their heat would stay, and whatever is demoted to them
// next would never be nominated, as it does not come to the threshold from below.
static void end_moves(struct move *moves, const struct extent *extents, u32 count)
{
	u32 i;

	if (count)
		trim(extents, count);
	for (i = 0; i < count; i++)
		migrate_device_finalize(&moves[i].from, &moves[i].to, 1);
	promoted += count;
}

// Promote nominated pages. One that cannot be moved just now, as reclaim has it perhaps, has its turn again: the device does
// not nominate it once more, and what is in use would be read there for ever.
static void promote(const struct nominated *nominated, u32 count)
{
	struct move moves[AT_ONCE];
	struct extent extents[AT_ONCE];
	u32 begun = 0, i;

	for (i = 0; i < count; i++) {
		struct page *page = pfn_to_online_page(PHYS_PFN(start) + nominated[i].frame);

		if (page && begin_move(&moves[begun], page)) {
			extents[begun++] = extent_of(page_to_phys(page), PAGE_SIZE);
			if (begun == AT_ONCE) {
				end_moves(moves, extents, begun);
				begun = 0;
			}
		} else if (page && may_move(page) && nominated[i].tries < TRIES && waits < WAITING) {
			waiting[waits] = nominated[i];
			waiting[waits++].tries++;
		} else {
			stayed++;
		}
	}
	end_moves(moves, extents, begun);
	if (waits)
		schedule_delayed_work(&hot_again, msecs_to_jiffies(LOOK_MS));
}

static void try_again(struct work_struct *work)
{
	struct nominated nominated[WAITING];
	u32 count;

	mutex_lock(&moving);
	count = waits;
	memcpy(nominated, waiting, count * sizeof(*nominated));
	waits = 0;
	promote(nominated, count);
	mutex_unlock(&moving);
}

static irqreturn_t on_hot(int line, void *data)
{
	mutex_lock(&moving);
	while (readl(registers + HOT_COUNT)) {
		struct nominated nominated[AT_ONCE];
		u32 count = 0;

		while (count < AT_ONCE && readl(registers + HOT_COUNT)) {
			nominated[count++] = (struct nominated){.frame = readl(registers + HOT_PAGE)};
			writel(1, registers + HOT_POP);
		}
		promote(nominated, count);
	}
	mutex_unlock(&moving);
	return IRQ_HANDLED;
}

// ---- The module ---------------------------------------------------------------------------------------------------------

// Which lines are heard.
static const struct {
	int line;
	irq_handler_t handler;
} ears[] = {{LINE_LOW, on_low}, {LINE_RECOVERED, on_recovered}, {LINE_HOT, on_hot}};
static const u32 LINES = 1u << LINE_LOW | 1u << LINE_RECOVERED | 1u << LINE_HOT;

static void unlisten(int count)
{
	while (count--)
		free_irq(pci_irq_vector(device, ears[count].line), device);
}

static int listen(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ears); i++) {
		const int vector = pci_irq_vector(device, ears[i].line);  // the CXL driver has set up all sixteen
		const int error = vector < 0 ? vector : request_threaded_irq(vector, NULL, ears[i].handler, IRQF_ONESHOT,
									     "cram_provider", device);

		if (error) {
			unlisten(i);
			return error;
		}
	}
	return 0;
}

static void set_marks(void)
{
	const u32 sectors = readl(registers + MEDIA_SECTORS);

	writel(low ? low : sectors / 4, registers + LOW_WATERMARK);
	writel(recovered ? recovered : sectors / 8 * 3, registers + RECOVERED_WATERMARK);
	writel(period, registers + HEAT_PERIOD);
	writel(hot, registers + HEAT_THRESHOLD);
	writel(readl(registers + INTERRUPT_ENABLE) | LINES, registers + INTERRUPT_ENABLE);
}

static int __init find_device(void)
{
	while ((device = pci_get_class(DEVICE_CLASS, device))) {
		registers = pci_iomap(device, BAR, 0);
		if (registers && readl(registers + ID) == LETTERS)
			return 0;
		if (registers)
			pci_iounmap(device, registers);
	}
	return -ENODEV;
}

static int __init provider_init(void)
{
	int error;

	if (!start || !length)
		return -EINVAL;
	error = find_device();
	if (error)
		return error;
	node = page_to_nid(pfn_to_online_page(PHYS_PFN(start)));
	error = listen();
	if (error)
		goto no_lines;
	error = page_reporting_register(&reporting);
	if (error)
		goto no_reporting;
	set_marks();
	return 0;

no_reporting:
	unlisten(ARRAY_SIZE(ears));
no_lines:
	pci_iounmap(device, registers);
	pci_dev_put(device);
	return error;
}

static void __exit provider_exit(void)
{
	writel(readl(registers + INTERRUPT_ENABLE) & ~LINES, registers + INTERRUPT_ENABLE);
	writel(0, registers + HEAT_THRESHOLD);
	page_reporting_unregister(&reporting);
	unlisten(ARRAY_SIZE(ears));
	mutex_lock(&balloon);
	WRITE_ONCE(pressed, false);
	mutex_unlock(&balloon);
	cancel_delayed_work_sync(&again);
	cancel_delayed_work_sync(&hot_again);
	give_pages_back();
	pci_iounmap(device, registers);
	pci_dev_put(device);
}

module_init(provider_init);
module_exit(provider_exit);
MODULE_DESCRIPTION("Trim and pressure for a CXL memory device with compressed RAM");
MODULE_LICENSE("GPL");
