"""PyTorch: a vector sum, a matrix product, and a loop that trains two layers; prints what must be the same natively."""

import torch

torch.manual_seed(0)
torch.use_deterministic_algorithms(True, warn_only=True)
device = torch.device("cuda")
a = torch.arange(100_000, device=device, dtype=torch.float32)
print("sum", (a + 2 * a).sum().item())
x = torch.randn(256, 64, device=device)
print("product", (x @ x.T).double().sum().item())
y = (x[:, :1] * 3 - x[:, 1:2]).tanh()
model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(30):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    if step % 10 == 9:
        print("loss", step, loss.item())
