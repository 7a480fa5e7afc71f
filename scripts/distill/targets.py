"""From the teacher's answers to what students are to say, and to labels one can believe.

An answer is the mean over views of one clean photo: steadier than any one of them. A target is the answer less the mean
of all answers, through one linear map, scaled to norm 1. The map is learned from the labelled training photos: it makes small
what differs between photos of one person (`within`: within-class covariance normalisation, Hatch et al. 2006).
"""
import torch
import torch.nn.functional as F

from teacher import views

# The teacher's photo around the aligned square: its side, and how far its centre lies below; the map (plain, centred or
# within), and how round it is made. What study.py found on validation people; it writes others to a file.
VIEW = {"room": 1.15, "dy": 0.1, "map": "within", "keep": 0.3}


def around(room, dy):
    """[(room, dx, dy, mirror)]: views of a photo whose mean is its answer."""
    return [(r, dx, y, mirror) for r, dx, y in ((room, 0.0, dy), (room - 0.06, 0.02, dy), (room + 0.06, -0.02, dy))
            for mirror in (False, True)]


@torch.no_grad()
def answers(teacher, crops, wanted, part=1024):
    """(n, 128): the teacher's mean answer to each crop of a Crops, over the views wanted."""
    return torch.cat([sum(teacher(views(pixels, crops.geometry, *v)) for v in wanted) / len(wanted)
                      for pixels in crops.pixels.split(part)])


def within(x, person, keep=0.3):
    """(dim, dim): what the map does to the answers of the same person: their deviations from his or her mean become round.
    keep: how much of a round covariance is mixed in."""
    known = person >= 0
    x, person = x[known].double(), person[known]
    _, index, count = torch.unique(person, return_inverse=True, return_counts=True)
    mean = torch.zeros(len(count), x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, index, x)
    deviation = (x - (mean / count[:, None])[index])[count[index] > 1]
    covariance = deviation.T @ deviation / len(deviation)
    covariance = (1 - keep) * covariance + keep * covariance.diagonal().mean() * torch.eye(
        len(covariance), dtype=x.dtype, device=x.device)
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.rsqrt() @ vectors.T).float()


class Map:
    """From answers (n, dim) to unit vectors, learned from answers of training photos and who they show (-1: not known)."""

    def __init__(self, answer, person, view):
        self.mean, self.matrix = torch.zeros_like(answer[0]), None
        if view["map"] != "plain":
            self.mean = answer.mean(0)
        if view["map"] == "within":
            self.matrix = within(answer - self.mean, person, view["keep"])

    def __call__(self, answer):
        x = answer - self.mean
        return F.normalize(x if self.matrix is None else x @ self.matrix, dim=1)


def believe(target, person, least=0.3):
    """Labels (n) less those that the teacher does not believe: photos far from the others of the same person."""
    person = person.clone()
    for _ in range(2):  # the second time without what the first left out
        known = (person >= 0).nonzero().flatten()
        centre = torch.zeros(int(person.max()) + 1, target.shape[1], device=target.device)
        centre.index_add_(0, person[known], target[known])
        rest = F.normalize(centre[person[known]] - target[known], dim=1)  # of the others
        alone = (centre[person[known]] - target[known]).norm(dim=1) < 1e-4
        wrong = ((rest * target[known]).sum(1) < least) & ~alone
        person[known[wrong]] = -1
    return person


def refine(target, person, share):
    """Targets drawn towards the mean of the person's: what the teacher says of one photo, corrected by what it says of the
    others. share: 0 leaves them, 1 makes all photos of a person one."""
    known = (person >= 0).nonzero().flatten()
    if share <= 0 or not len(known):
        return target
    centre = torch.zeros(int(person.max()) + 1, target.shape[1], device=target.device)
    centre.index_add_(0, person[known], target[known])
    out = target.clone()
    out[known] = F.normalize((1 - share) * target[known] + share * F.normalize(centre[person[known]], dim=1), dim=1)
    return out
